//! What comes from elsewhere: licences, forbidden crates and sources of every dependency, by `deny.toml`. The advisories of
//! RustSec are asked for by `cargo xtask audit`, because their database has to be fetched.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;

/// The version that `deny.toml` is written for.
const CARGO_DENY: &str = "0.20.2";

/// Licences, forbidden crates, sources.
pub(crate) fn check() -> Result<()> {
    deny(&["licenses", "bans", "sources"])
}

/// Advisories about versions that are built in.
pub(crate) fn audit() -> Result<()> {
    deny(&["advisories"])
}

fn deny(checks: &[&str]) -> Result<()> {
    let program = installed()?;
    // What is right is not listed.
    super::run(
        Command::new(program)
            .args(["--log-level", "error", "check", "--hide-inclusion-graph"])
            .args(checks),
    )
}

/// The program, built from its package on the registry once for a checkout: it takes two processors two to three minutes.
fn installed() -> Result<PathBuf> {
    let root = Path::new("target").join(format!("cargo-deny-{CARGO_DENY}"));
    let program = root.join("bin/cargo-deny");
    if !program.is_file() {
        let mut install = Command::new("cargo");
        install
            .args([
                "install",
                "cargo-deny",
                "--locked",
                "--quiet",
                "--version",
                CARGO_DENY,
                "--root",
            ])
            .arg(&root);
        super::run(&mut install)?;
    }
    Ok(program)
}
