//! Dependencies that must not exist: the arrows between the crates point one way.

use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

/// A crate, and what must not be found below it.
const FORBIDDEN: [(&str, &[&str]); 9] = [
    (
        "walcast-pgoutput",
        &["tokio", "serde", "rdkafka", "rustls", "walcast-"],
    ),
    (
        "walcast-mapper",
        &["tokio", "rdkafka", "tokio-postgres", "rustls", "walcast-delivery"],
    ),
    (
        "walcast-delivery",
        &[
            "rdkafka",
            "rdkafka-sys",
            "tokio-postgres",
            "rustls",
            "reqwest",
            "walcast-postgres",
            "walcast-kafka",
        ],
    ),
    (
        "walcast-postgres",
        &["rdkafka", "schema_registry_converter", "walcast-kafka", "walcast"],
    ),
    (
        "walcast-kafka",
        &["tokio-postgres", "walcast-postgres", "walcast"],
    ),
    (
        "walcast-topics",
        &["tokio-postgres", "walcast-postgres", "walcast", "walcast-testbed"],
    ),
    (
        "walcast-verify",
        &[
            "rdkafka",
            "tokio-postgres",
            "rustls",
            "walcast-postgres",
            "walcast-kafka",
            "walcast",
        ],
    ),
    ("walcast", &["walcast-testbed", "walcast-fuzz"]),
    ("walcast-testbed", &["walcast-", "walcast"]),
];

pub(crate) fn check() -> Result<()> {
    for (package, forbidden) in FORBIDDEN {
        let below = dependencies(package)?;
        ensure!(
            !below.is_empty(),
            "{package} has no dependencies at all: the check would not see anything"
        );
        let found: Vec<&String> = below
            .iter()
            .filter(|name| forbidden.iter().any(|rule| matches(rule, name)))
            .collect();
        if !found.is_empty() {
            bail!(
                "{package} must not depend on {found:?}; find the way with: cargo tree -p {package} -e normal -i {}",
                found[0]
            );
        }
    }
    Ok(())
}

/// A rule that ends with a dash forbids every name that begins with it.
fn matches(rule: &str, name: &str) -> bool {
    if rule.ends_with('-') {
        name.starts_with(rule)
    } else {
        name == rule
    }
}

/// The names of everything `package` needs at run time, itself left out.
fn dependencies(package: &str) -> Result<Vec<String>> {
    let output = Command::new("cargo")
        .args([
            "tree", "--locked", "-p", package, "-e", "normal", "--prefix", "none", "--format", "{p}",
        ])
        .output()
        .context("cannot start cargo tree")?;
    ensure!(
        output.status.success(),
        "cargo tree -p {package}: {}",
        String::from_utf8_lossy(&output.stderr).trim()
    );
    let listing =
        String::from_utf8(output.stdout).context("cargo tree printed something that is not UTF-8")?;
    let names = listing
        .lines()
        .filter_map(|line| line.split_whitespace().next())
        .filter(|name| *name != package);
    Ok(names.map(str::to_owned).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dependency_that_exists_is_seen() {
        let below = dependencies("walcast-kafka").unwrap();
        assert!(below.iter().any(|name| name == "rdkafka"), "{below:?}");
    }

    #[test]
    fn a_dash_forbids_a_family() {
        assert!(matches("walcast-", "walcast-kafka"));
        assert!(!matches("walcast-", "walcast"));
        assert!(!matches("tokio", "tokio-postgres"));
    }
}
