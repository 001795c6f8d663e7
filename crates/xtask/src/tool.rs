//! Programs of other people that the project's commands need.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

/// A program, built from its package on the registry once for a checkout: it takes two processors one to three minutes.
pub(crate) fn installed(package: &str, version: &str) -> Result<PathBuf> {
    let root = Path::new("target").join(format!("{package}-{version}"));
    let program = root.join("bin").join(package);
    if !program.is_file() {
        let status = Command::new("cargo")
            .args([
                "install",
                package,
                "--locked",
                "--quiet",
                // Optimizing the program takes twice as long as it ever runs.
                "--debug",
                "--version",
                version,
                "--root",
            ])
            .arg(&root)
            .status()
            .context("cannot start cargo install")?;
        ensure!(status.success(), "cargo install {package} ended with {status}");
    }
    Ok(program)
}
