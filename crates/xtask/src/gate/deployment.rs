//! What walcast is deployed with: the systemd unit, the images that it is built in, and what the manual shows of both.

use std::fs;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::{deploy, package};

const UNIT: &str = "examples/deploy/walcast.service";
/// The unit of the package, one instance for each configuration: the unit, with what differs.
const TEMPLATE: &str = "examples/deploy/walcast@.service";
const MANUAL: &str = "docs/high-availability.md";
const DOCKERFILE: &str = "docker/Dockerfile";
const COMPOSE: &str = "docker/compose.yaml";

/// The image that the compose file builds itself.
const OWN_IMAGE: &str = "walcast";

/// The most that `systemd-analyze security` may find, in tenths of its points: what is left is the network.
const EXPOSURE_MAX: &str = "15";

/// What the unit must say.
const DIRECTIVES: [&str; 26] = [
    "Type=notify",
    "WatchdogSec=60",
    "DynamicUser=yes",
    "NoNewPrivileges=yes",
    "CapabilityBoundingSet=",
    "AmbientCapabilities=",
    "ProtectSystem=strict",
    "ProtectHome=yes",
    "PrivateTmp=yes",
    "PrivateDevices=yes",
    "ProtectClock=yes",
    "ProtectControlGroups=yes",
    "ProtectKernelLogs=yes",
    "ProtectKernelModules=yes",
    "ProtectKernelTunables=yes",
    "LockPersonality=yes",
    "MemoryDenyWriteExecute=yes",
    "RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX",
    "RestrictNamespaces=yes",
    "RestrictSUIDSGID=yes",
    "SystemCallFilter=@system-service",
    "LimitCORE=0",
    "LimitNOFILE=65536",
    "RuntimeDirectory=walcast",
    "RuntimeDirectoryMode=0700",
    "RestartPreventExitStatus=2 3 7",
];

/// What differs in the template. Its instances share a user, because they share the folder of their tokens.
const OF_TEMPLATE: [(&str, &str); 10] = [
    (
        "# walcast under systemd:",
        "# walcast under systemd, an instance for each configuration in /etc/walcast:",
    ),
    (
        "`systemd-analyze security walcast`",
        "`systemd-analyze security walcast@shop`",
    ),
    ("Description=walcast:", "Description=walcast %i:"),
    ("/usr/local/bin/walcast", "/usr/bin/walcast"),
    ("/etc/walcast/shop.toml", "/etc/walcast/%i.toml"),
    (
        "/etc/walcast/postgres-password",
        "/etc/walcast/%i.postgres-password",
    ),
    (
        "/etc/walcast/registry-password",
        "/etc/walcast/%i.registry-password",
    ),
    ("DynamicUser=yes\n", "DynamicUser=yes\nUser=walcast\n"),
    (
        "for files that systemd removes when the service stops.",
        "which the instances share: the stop of one does not remove the files of the others.",
    ),
    (
        "RuntimeDirectory=walcast\n",
        "RuntimeDirectory=walcast\nRuntimeDirectoryPreserve=yes\n",
    ),
];

/// What the manual must say of Kubernetes.
const KUBERNETES: [&str; 7] = [
    "runAsNonRoot: true",
    "readOnlyRootFilesystem: true",
    "allowPrivilegeEscalation: false",
    "capabilities: { drop: [ALL] }",
    "seccompProfile: { type: RuntimeDefault }",
    "automountServiceAccountToken: false",
    "kind: NetworkPolicy",
];

pub(crate) fn check() -> Result<()> {
    let read = |path: &str| fs::read_to_string(path).with_context(|| format!("cannot read {path}"));
    let (unit, manual, dockerfile) = (read(UNIT)?, read(MANUAL)?, read(DOCKERFILE)?);
    let compose = read(COMPOSE)?;
    let mut findings = missing(UNIT, &unit, &DIRECTIVES);
    findings.extend(missing(MANUAL, &manual, &KUBERNETES));
    let shown: Vec<&str> = unit_of_manual(&manual).collect();
    if shown.len() < 2 {
        findings.push(format!("{MANUAL} shows no unit"));
    }
    findings.extend(missing(UNIT, &unit, &shown));
    if read(TEMPLATE)? != template_of(&unit) {
        findings.push(format!(
            "{TEMPLATE} is not {UNIT} with what differs in a template (OF_TEMPLATE in crates/xtask/src/gate/deployment.rs)"
        ));
    }
    findings.extend(package::missing_files()?);
    findings.extend(deploy::different_files()?);
    findings.extend(images_by_tag(&dockerfile).map(|line| format!("{DOCKERFILE}: no digest: {line}")));
    findings.extend(images_of_any_version(&compose).map(|line| format!("{COMPOSE}: no version: {line}")));
    findings
        .extend(ports_of_every_interface(&compose).map(|line| format!("{COMPOSE}: not on loopback: {line}")));
    if !findings.is_empty() {
        bail!("the deployment is not as it should be:\n{}", findings.join("\n"));
    }
    exposure()
}

fn missing(file: &str, text: &str, wanted: &[&str]) -> Vec<String> {
    let has = |wanted: &str| text.lines().any(|line| line.trim() == wanted);
    let missing = wanted.iter().filter(|wanted| !has(wanted));
    missing.map(|line| format!("{file} lacks: {line}")).collect()
}

fn template_of(unit: &str) -> String {
    let differs = OF_TEMPLATE.iter();
    differs.fold(unit.to_owned(), |text, (unit, template)| {
        text.replace(unit, template)
    })
}

/// The lines of the unit that the manual shows.
fn unit_of_manual(manual: &str) -> impl Iterator<Item = &str> {
    manual
        .lines()
        .skip_while(|line| *line != "[Service]")
        .take_while(|line| !line.starts_with("```"))
        .filter(|line| !line.is_empty())
}

/// Lines that take an image by a name which may mean another one tomorrow: a syntax of the file, or a `FROM` without a digest.
fn images_by_tag(dockerfile: &str) -> impl Iterator<Item = &str> {
    let mut stages: Vec<&str> = vec!["scratch"];
    dockerfile.lines().map(str::trim).filter(move |line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.as_slice() {
            [from, rest @ ..] if from.eq_ignore_ascii_case("from") => {
                let mut rest = rest.iter().filter(|word| !word.starts_with("--"));
                let image = rest.next().copied().unwrap_or_default();
                let is_pinned = stages.contains(&image)
                    || image.contains("@sha256:")
                    || (image.contains("@${") && image.ends_with('}') && !image.contains(":-"));
                if let (Some(word), Some(stage)) = (rest.next(), rest.next())
                    && word.eq_ignore_ascii_case("as")
                {
                    stages.push(stage);
                }
                !is_pinned
            }
            [arg, name] if arg.eq_ignore_ascii_case("arg") => {
                // A default would be the image of everybody who does not look.
                name.contains("DIGEST") && name.contains('=') && !name.contains("=sha256:")
            }
            _ => line.replace(' ', "").starts_with("#syntax=") && !line.contains("@sha256:"),
        }
    })
}

/// Lines of a compose file that take an image without a version. A digest would be better, but only a registry knows it, and the gate
/// works without one.
fn images_of_any_version(compose: &str) -> impl Iterator<Item = &str> {
    compose.lines().map(str::trim).filter(|line| {
        let Some(image) = line.strip_prefix("image:").map(str::trim) else {
            return false;
        };
        let name = image.rsplit('/').next().unwrap_or_default();
        let tag = name.split_once(':').map(|(_, tag)| tag);
        image != OWN_IMAGE && !image.contains("@sha256:") && !tag.is_some_and(is_version)
    })
}

fn is_version(tag: &str) -> bool {
    tag.starts_with(|first: char| first.is_ascii_digit())
}

/// Lines of a compose file that publish a port beyond this machine.
fn ports_of_every_interface(compose: &str) -> impl Iterator<Item = &str> {
    let is_port = |line: &str| {
        let mapping = line.strip_prefix("- ").map(|line| line.trim_matches('"'));
        mapping.is_some_and(|mapping| mapping.contains(':') && mapping.split(':').all(is_number_or_address))
    };
    let lines = compose.lines().map(str::trim);
    lines.filter(move |line| is_port(line) && !line.contains("127.0.0.1:"))
}

fn is_number_or_address(part: &str) -> bool {
    !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.')
}

/// What systemd itself says of the unit, where it is there to be asked.
fn exposure() -> Result<()> {
    let asked = Command::new("systemd-analyze")
        .args([
            "security",
            "--offline=true",
            "--no-pager",
            "--threshold",
            EXPOSURE_MAX,
            UNIT,
        ])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    match asked {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => bail!(
            "systemd-analyze security finds the unit more exposed than {EXPOSURE_MAX} tenths ({status}); see it with: \
             systemd-analyze security --offline=true {UNIT}"
        ),
        Err(_) => {
            eprintln!(
                "    systemd-analyze is not here: of {UNIT} the directives are checked, and not what they add up to"
            );
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_by_tag_is_found() {
        let by_tag = |dockerfile: &'static str| images_by_tag(dockerfile).collect::<Vec<_>>();
        for pinned in [
            "FROM scratch",
            "FROM rust@sha256:00 AS build\nFROM build AS next\nfrom next",
            "ARG RUST_DIGEST\nFROM rust@${RUST_DIGEST} AS build",
            "FROM --platform=linux/amd64 rust@sha256:00",
            "# syntax=docker/dockerfile@sha256:00",
        ] {
            assert!(by_tag(pinned).is_empty(), "{pinned}");
        }
        for named in [
            "FROM rust",
            "FROM rust:1.95 AS build",
            "FROM --platform=linux/amd64 rust:1.95",
            "FROM ${IMAGE}",
            "FROM rust:${TAG}",
            "FROM rust@${DIGEST:-latest}",
            "ARG RUST_DIGEST=latest",
            "# syntax=docker/dockerfile:1",
        ] {
            assert_eq!(by_tag(named).len(), 1, "{named}");
        }
    }

    #[test]
    fn a_compose_file_names_versions_and_publishes_on_loopback() {
        let fine = "image: postgres:17\nimage: apicurio/apicurio-registry:3.0.9\nimage: walcast\nimage: a@sha256:00\n\
                    ports:\n- \"127.0.0.1:8081:8080\"\nvolumes:\n- data:/var/lib";
        assert_eq!(images_of_any_version(fine).count(), 0);
        assert_eq!(ports_of_every_interface(fine).count(), 0);
        let loose = "image: postgres\nimage: apache/kafka:latest\nimage: host:5000/kafka\n- \"8081:8080\"\n- \"0.0.0.0:1:1\"";
        assert_eq!(images_of_any_version(loose).count(), 3);
        assert_eq!(ports_of_every_interface(loose).count(), 2);
    }

    #[test]
    fn the_unit_has_every_line_of_the_manual() {
        let manual = "a\n```ini\n[Service]\nA=1\n\nB=2\n```\nC=3\n";
        let shown: Vec<&str> = unit_of_manual(manual).collect();
        assert_eq!(shown, ["[Service]", "A=1", "B=2"]);
        assert_eq!(missing("u", "[Service]\nA=1\n", &shown), ["u lacks: B=2"]);
    }
}
