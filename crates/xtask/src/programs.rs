//! Programs as cargo builds them.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

/// What the connector, the programs beside it and the end-to-end tests share: these packages select the same features of
/// every dependency as the whole workspace does, so that nothing is built twice.
pub(crate) const CONNECTOR_AND_BENCH: [&str; 4] = ["--package", "walcast", "--package", "walcast-bench"];
pub(crate) const CONNECTOR_AND_TESTS: [&str; 4] = ["--package", "walcast", "--package", "walcast-tests"];

/// A program, or a test program.
#[derive(Clone, Debug)]
pub(crate) struct Program {
    /// The target's name, such as `chaos`.
    pub(crate) name: String,
    /// Its package's name, such as `walcast-tests`.
    pub(crate) package: String,
    pub(crate) path: PathBuf,
    /// Its package's folder, in which cargo starts tests.
    pub(crate) folder: PathBuf,
    /// Whether it consists of tests.
    pub(crate) is_test: bool,
}

/// Runs `cargo build` with a selection in cargo's own words, and returns the programs that it made.
pub(crate) fn build(selection: &[&str]) -> Result<Vec<Program>> {
    let mut command = Command::new("cargo");
    command
        .args(["build", "--locked", "--message-format", "json-render-diagnostics"])
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

/// The path of the program with that name that is no test.
pub(crate) fn find(programs: &[Program], name: &str) -> Result<PathBuf> {
    let found = programs
        .iter()
        .find(|program| program.name == name && !program.is_test);
    let found = found.with_context(|| format!("cargo built no program named {name}"))?;
    Ok(found.path.clone())
}

/// Reads a message of cargo's about a program; other messages are none.
fn read(line: &str) -> Result<Option<Program>> {
    // Build scripts may print lines of their own.
    let Ok(message) = serde_json::from_str::<Value>(line) else {
        return Ok(None);
    };
    let Some(path) = message["executable"].as_str() else {
        return Ok(None);
    };
    let name = message["target"]["name"].as_str();
    let manifest = message["manifest_path"].as_str().map(Path::new);
    let folder = manifest.and_then(Path::parent);
    let folder = folder.context("cargo built a program of no package")?;
    Ok(Some(Program {
        name: name.context("cargo built a program without a name")?.to_owned(),
        package: package(message["package_id"].as_str().unwrap_or_default(), folder),
        path: path.into(),
        folder: folder.to_owned(),
        is_test: message["profile"]["test"] == true,
    }))
}

/// The package's name: `path+file:///repo/crates/kafka#walcast-kafka@0.1.0`, or the folder's where that is the same.
fn package(id: &str, folder: &Path) -> String {
    let after = id.rsplit_once('#').map_or("", |(_, after)| after);
    match after.split_once('@') {
        Some((name, _)) => name.to_owned(),
        None => folder
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_programs_among_other_messages() {
        let line = r#"{"reason":"compiler-artifact","package_id":"path+file:///repo/tests#walcast-tests@0.1.0",
            "manifest_path":"/repo/tests/Cargo.toml","target":{"name":"chaos"},"profile":{"test":true},
            "executable":"/repo/target/debug/deps/chaos-1"}"#;
        let program = read(line).unwrap().unwrap();
        assert_eq!(
            (program.name.as_str(), program.package.as_str()),
            ("chaos", "walcast-tests")
        );
        assert_eq!(program.path, PathBuf::from("/repo/target/debug/deps/chaos-1"));
        assert_eq!(program.folder, PathBuf::from("/repo/tests"));
        assert!(program.is_test && find(&[program], "chaos").is_err());
        for other in [
            "warning",
            r#"{"reason":"build-finished"}"#,
            r#"{"executable":null}"#,
        ] {
            assert!(read(other).unwrap().is_none(), "{other}");
        }
        assert_eq!(
            package(
                "path+file:///repo/crates/xtask#0.1.0",
                Path::new("/repo/crates/xtask")
            ),
            "xtask"
        );
    }
}
