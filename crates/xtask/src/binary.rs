//! Builds the connector that a command is about to run.

use std::path::PathBuf;
use std::process::{Command, ExitStatus};

use anyhow::{Context, Result, ensure};

/// Builds `walcast` and returns where it is. `release`: as users run it; otherwise as tests do.
pub(crate) fn build(release: bool) -> Result<PathBuf> {
    let mut command = Command::new("cargo");
    command.args([
        "build",
        "--locked",
        "--package",
        "walcast",
        "--message-format",
        "json-render-diagnostics",
    ]);
    if release {
        command.arg("--release");
    }
    let output = command
        .stderr(std::process::Stdio::inherit())
        .output()
        .context("cannot start cargo")?;
    ensure!(
        output.status.success(),
        "walcast does not build: {}",
        output.status
    );
    // Cargo tells where it put the binary; the target folder can be anywhere.
    let messages = String::from_utf8(output.stdout).context("cargo printed something that is not UTF-8")?;
    let executable = messages
        .lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
        .filter(|message| message["target"]["name"] == "walcast")
        .find_map(|message| message["executable"].as_str().map(PathBuf::from));
    executable.context("cargo built no executable named walcast")
}

/// Builds `walcast` as tests do, and runs a program of `tests/src/bin/` over it.
pub(crate) fn play(program: &str, arguments: impl IntoIterator<Item = String>) -> Result<ExitStatus> {
    let walcast = build(false)?;
    let mut player = Command::new("cargo");
    player
        .args([
            "run",
            "--locked",
            "--package",
            "walcast-tests",
            "--bin",
            program,
            "--",
        ])
        .args(arguments)
        .env("WALCAST_BIN", walcast);
    player.status().context("cannot start cargo")
}
