//! Targets as libFuzzer needs them.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use super::target::{Target, WORK};
use crate::tool;

const CARGO_FUZZ: &str = "0.13.2";

/// Builds targets, and writes their seeds.
pub(super) fn all(targets: &[Target]) -> Result<()> {
    let compiler = std::env::var("CXX").unwrap_or_else(|_| "c++".to_owned());
    let compiles = Command::new(&compiler).arg("--version").output();
    ensure!(
        compiles.is_ok_and(|output| output.status.success()),
        "libFuzzer is C++: install a compiler ({compiler} does not run; package g++)"
    );
    let cargo_fuzz = tool::installed("cargo-fuzz", CARGO_FUZZ)?;
    for target in targets {
        build(&cargo_fuzz, *target)?;
        write_seeds(*target)?;
    }
    Ok(())
}

/// Without a sanitizer: there is no unsafe code of ours that one could watch, and the stable compiler suffices.
fn build(cargo_fuzz: &Path, target: Target) -> Result<()> {
    eprintln!("building {}", target.name());
    let status = Command::new(cargo_fuzz)
        .args(["build", "--fuzz-dir", "crates/fuzz", "--sanitizer", "none"])
        .args(["--target-dir", WORK, target.name()])
        // It takes minutes more, and would merge code that coverage distinguishes.
        .env("CARGO_PROFILE_RELEASE_LTO", "off")
        .status()
        .context("cannot start cargo-fuzz")?;
    ensure!(status.success(), "{} does not build: {status}", target.name());
    Ok(())
}

fn write_seeds(target: Target) -> Result<()> {
    let status = Command::new("cargo")
        .args(["run", "--quiet", "--locked", "--package", "walcast-fuzz", "--bin"])
        .args([target.name(), "--", "seeds"])
        .arg(target.seeds())
        .status()
        .context("cannot start cargo")?;
    ensure!(status.success(), "{} has no seeds: {status}", target.name());
    Ok(())
}

/// Where cargo-fuzz puts a target.
pub(super) fn program(target: Target) -> Result<PathBuf> {
    let output = Command::new("rustc")
        .arg("-vV")
        .output()
        .context("cannot start rustc")?;
    let text = String::from_utf8(output.stdout).context("rustc printed something that is not UTF-8")?;
    let host = text.lines().find_map(|line| line.strip_prefix("host: "));
    let host = host.context("rustc does not print its host")?;
    Ok(Path::new(WORK).join(host).join("release").join(target.name()))
}
