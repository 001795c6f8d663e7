//! What walcast is deployed with: the systemd unit, the images that it is built in, and what the manual shows of both.

use std::fs;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

const UNIT: &str = "examples/deploy/walcast.service";
const MANUAL: &str = "docs/high-availability.md";
const DOCKERFILE: &str = "docker/Dockerfile";

/// The most that `systemd-analyze security` may find, in tenths of its points: what is left is the network.
const EXPOSURE_MAX: &str = "15";

/// What the unit must say.
const DIRECTIVES: [&str; 24] = [
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
    "RestartPreventExitStatus=2 3",
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
    let mut findings = missing(UNIT, &unit, &DIRECTIVES);
    findings.extend(missing(MANUAL, &manual, &KUBERNETES));
    let shown: Vec<&str> = unit_of_manual(&manual).collect();
    if shown.len() < 2 {
        findings.push(format!("{MANUAL} shows no unit"));
    }
    findings.extend(missing(UNIT, &unit, &shown));
    findings.extend(images_by_tag(&dockerfile).map(|line| format!("{DOCKERFILE}: no digest: {line}")));
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
    fn the_unit_has_every_line_of_the_manual() {
        let manual = "a\n```ini\n[Service]\nA=1\n\nB=2\n```\nC=3\n";
        let shown: Vec<&str> = unit_of_manual(manual).collect();
        assert_eq!(shown, ["[Service]", "A=1", "B=2"]);
        assert_eq!(missing("u", "[Service]\nA=1\n", &shown), ["u lacks: B=2"]);
    }
}
