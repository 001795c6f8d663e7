//! `cargo xtask deploy`: the Helm chart, rendered and checked by Helm itself, and the plain manifests, which are the chart as it is
//! rendered with its defaults.
//!
//! Helm is built from its Go module, which takes minutes, so the gate does not render the chart. Unit tests check that the schema
//! covers the values, that templates use existing values, and that the alerts of the chart are those beside it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

const CHART: &str = "examples/deploy/helm/walcast";
const MANIFESTS: &str = "examples/deploy/kubernetes.yaml";
/// Version of Helm.
const HELM_VERSION: &str = "v3.22.0";

/// Values with which the chart is rendered: the defaults, and everything that is off by default.
const RENDERED: [&[&str]; 2] = [
    &[],
    &[
        "--set",
        "networkPolicy.enabled=true,podMonitor.enabled=true,prometheusRule.enabled=true,dashboard.enabled=true,replicas=1",
        "--set",
        "nodeSelector.disk=fast,tolerations[0].operator=Exists,extraEnv[0].name=PGUSER,extraEnv[0].value=walcast",
    ],
];

/// Values that the schema must reject.
const REJECTED: [&str; 3] = ["replicas=0", "unknown=1", "image.digest=latest"];

/// First lines of the manifests.
const HEADER: &str = "# walcast on Kubernetes, without Helm: the chart in helm/walcast with its defaults. Written by cargo xtask deploy.\n\
                      # Change the configuration, and create the Secret walcast with its files, before kubectl apply.\n";

pub(crate) fn run() -> Result<()> {
    let helm = helm()?;
    output(Command::new(&helm).args(["lint", "--strict", CHART]))?;
    for values in RENDERED {
        let rendered = output(
            Command::new(&helm)
                .args(["template", "walcast", CHART])
                .args(values),
        )?;
        ensure!(!rendered.is_empty(), "the chart renders nothing with {values:?}");
    }
    for values in REJECTED {
        let status = Command::new(&helm)
            .args(["template", "walcast", CHART, "--set", values])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .context("cannot start helm")?;
        ensure!(!status.success(), "values.schema.json accepts {values}");
    }
    let manifests = output(Command::new(&helm).args(["template", "walcast", CHART]))?;
    let manifests = String::from_utf8(manifests).context("the manifests are not UTF-8")?;
    fs::write(MANIFESTS, format!("{HEADER}{}", without_helm(&manifests)))
        .with_context(|| format!("cannot write {MANIFESTS}"))?;
    eprintln!("the chart renders; {MANIFESTS} is written");
    Ok(())
}

/// Manifests without the comments and labels of Helm, which would take objects with its labels for its own.
fn without_helm(manifests: &str) -> String {
    let of_helm = ["# Source: ", "app.kubernetes.io/managed-by: ", "helm.sh/chart: "];
    let lines = manifests.lines().filter(|line| {
        let line = line.trim_start();
        !of_helm.iter().any(|start| line.starts_with(start))
    });
    lines.map(|line| format!("{}\n", line.trim_end())).collect()
}

/// Helm, built from its Go module once for a checkout.
fn helm() -> Result<PathBuf> {
    let folder = std::env::current_dir()
        .context("cannot read the current directory")?
        .join("target")
        .join(format!("helm-{HELM_VERSION}"));
    let program = folder.join("helm");
    if !program.is_file() {
        let installed = Command::new("go")
            .args(["install", &format!("helm.sh/helm/v3/cmd/helm@{HELM_VERSION}")])
            .env("GOBIN", &folder)
            .status()
            .context("cannot start go (install package golang-go)")?;
        ensure!(installed.success(), "go install of Helm ended with {installed}");
    }
    Ok(program)
}

/// What a program printed.
fn output(command: &mut Command) -> Result<Vec<u8>> {
    let ended = command
        .stderr(Stdio::inherit())
        .output()
        .with_context(|| format!("cannot start {command:?}"))?;
    ensure!(
        ended.status.success(),
        "{command:?} ended with {}:\n{}",
        ended.status,
        String::from_utf8_lossy(&ended.stdout)
    );
    Ok(ended.stdout)
}

/// Files of the chart that differ from those with the same name beside it, which Helm cannot read.
pub(crate) fn different_files() -> Result<Vec<String>> {
    let (copies, originals) = (Path::new(CHART).join("files"), Path::new("examples/deploy"));
    let entries = fs::read_dir(&copies).with_context(|| format!("cannot read {}", copies.display()))?;
    let mut findings = Vec::new();
    for entry in entries {
        let copy = entry.context("cannot list the files of the chart")?.path();
        let original = originals.join(copy.file_name().unwrap_or_default());
        let read = |path: &Path| fs::read(path).with_context(|| format!("cannot read {}", path.display()));
        if read(&copy)? != read(&original)? {
            findings.push(format!(
                "{} is not {}: copy it",
                copy.display(),
                original.display()
            ));
        }
    }
    Ok(findings)
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use serde_json::Value;

    use super::*;

    fn chart() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(CHART)
    }

    /// Keys of values.yaml, each with the keys below it. Values are block texts, flow collections and scalars, never deeper blocks.
    fn values(text: &str) -> BTreeMap<String, BTreeSet<String>> {
        let mut values = BTreeMap::<String, BTreeSet<String>>::new();
        let mut last = String::new();
        let mut is_text = false;
        for line in text.lines().filter(|line| !line.trim_start().starts_with('#')) {
            let Some((key, value)) = line.split_once(':') else {
                continue;
            };
            if key.starts_with(' ') {
                if !is_text && let Some(below) = values.get_mut(&last) {
                    below.insert(key.trim().to_owned());
                }
            } else {
                key.clone_into(&mut last);
                is_text = value.trim() == "|";
                values.insert(key.to_owned(), BTreeSet::new());
            }
        }
        values
    }

    fn read(file: &str) -> String {
        fs::read_to_string(chart().join(file)).unwrap()
    }

    #[test]
    fn the_schema_covers_the_values() {
        let schema: Value = serde_json::from_str(&read("values.schema.json")).unwrap();
        let values = values(&read("values.yaml"));
        let known = schema["properties"].as_object().unwrap();
        let names: BTreeSet<&String> = known.keys().filter(|name| *name != "global").collect();
        assert_eq!(values.keys().collect::<BTreeSet<_>>(), names);
        for (name, below) in &values {
            if let Some(properties) = known[name]["properties"].as_object() {
                let properties: BTreeSet<&String> = properties.keys().collect();
                assert_eq!(below.iter().collect::<BTreeSet<_>>(), properties, "{name}");
            }
        }
    }

    #[test]
    fn templates_use_existing_values() {
        let values = values(&read("values.yaml"));
        let mut used = 0;
        for entry in fs::read_dir(chart().join("templates")).unwrap() {
            let path = entry.unwrap().path();
            let text = fs::read_to_string(&path).unwrap();
            for part in text.split(".Values.").skip(1) {
                let end = part.find(|character: char| !character.is_ascii_alphanumeric() && character != '.');
                let name = &part[..end.unwrap_or(part.len())];
                let (name, below) = name.split_once('.').unwrap_or((name, ""));
                let keys = values.get(name);
                assert!(keys.is_some(), "{}: {name}", path.display());
                assert!(
                    below.is_empty() || keys.is_some_and(|keys| keys.contains(below)),
                    "{}: {name}.{below}",
                    path.display()
                );
                used += 1;
            }
        }
        assert!(used > 20, "{used}");
    }

    #[test]
    fn manifests_have_no_labels_of_helm() {
        let rendered = "---\n# Source: walcast/templates/pdb.yaml\nmetadata:\n  labels:\n    app: walcast  \n    helm.sh/chart: walcast-0.1.0\n";
        assert_eq!(
            without_helm(rendered),
            "---\nmetadata:\n  labels:\n    app: walcast\n"
        );
    }

    #[test]
    fn the_chart_and_the_workspace_have_one_version() {
        let version = concat!("appVersion: \"", env!("CARGO_PKG_VERSION"), "\"");
        assert!(read("Chart.yaml").lines().any(|line| line == version));
    }
}
