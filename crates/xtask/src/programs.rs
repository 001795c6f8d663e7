//! Test programs, as cargo builds them.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

/// A program of tests.
pub(crate) struct Program {
    /// The target's name, such as `chaos`.
    pub(crate) name: String,
    pub(crate) path: PathBuf,
    /// Its package's folder, in which it is to be started.
    pub(crate) package: PathBuf,
}

/// Builds the test programs that `selection` chooses, in cargo's own words.
pub(crate) fn build(selection: &[&str]) -> Result<Vec<Program>> {
    let mut command = Command::new("cargo");
    command
        .args(["test", "--locked", "--no-run"])
        .args(["--message-format", "json-render-diagnostics"])
        .args(selection);
    let output = command
        .stderr(Stdio::inherit())
        .output()
        .context("cannot start cargo")?;
    ensure!(
        output.status.success(),
        "{command:?} ended with {}",
        output.status
    );
    let messages = String::from_utf8(output.stdout).context("cargo printed something that is not UTF-8")?;
    messages
        .lines()
        .filter_map(|line| read(line).transpose())
        .collect()
}

/// A line of cargo's that tells of a program.
fn read(line: &str) -> Result<Option<Program>> {
    // Build scripts may print lines of their own.
    let Ok(message) = serde_json::from_str::<Value>(line) else {
        return Ok(None);
    };
    let Some(path) = message["executable"].as_str() else {
        return Ok(None);
    };
    if message["profile"]["test"] != true {
        return Ok(None);
    }
    let name = message["target"]["name"].as_str();
    let manifest = message["manifest_path"].as_str().map(PathBuf::from);
    let package = manifest.as_deref().and_then(|manifest| manifest.parent());
    Ok(Some(Program {
        name: name.context("cargo built a program without a name")?.to_owned(),
        path: path.into(),
        package: package.context("cargo built a program of no package")?.to_owned(),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_read_where_it_is_told() {
        let line = r#"{"reason":"compiler-artifact","manifest_path":"/repo/tests/Cargo.toml",
            "target":{"name":"chaos"},"profile":{"test":true},"executable":"/repo/target/debug/deps/chaos-1"}"#;
        let program = read(line).unwrap().unwrap();
        assert_eq!(program.name, "chaos");
        assert_eq!(program.path, PathBuf::from("/repo/target/debug/deps/chaos-1"));
        assert_eq!(program.package, PathBuf::from("/repo/tests"));
        for other in [
            "warning",
            r#"{"reason":"build-finished"}"#,
            r#"{"executable":"/x","profile":{"test":false}}"#,
        ] {
            assert!(read(other).unwrap().is_none(), "{other}");
        }
    }
}
