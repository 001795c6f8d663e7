//! What comes from elsewhere: licences, forbidden crates and sources of every dependency, by `deny.toml`. The advisories of
//! RustSec are asked for by `cargo xtask audit`, because their database has to be fetched.

use std::process::Command;

use anyhow::Result;

use crate::tool;

/// The version that `deny.toml` is written for.
const CARGO_DENY: &str = "0.20.2";

/// Licences, forbidden crates, sources.
pub(crate) fn check() -> Result<()> {
    deny(&["licenses", "bans", "sources"])
}

fn deny(checks: &[&str]) -> Result<()> {
    // What is right is not listed.
    super::run(
        cargo_deny()?
            .args(["--log-level", "error", "check", "--hide-inclusion-graph"])
            .args(checks),
    )
}

/// The program, in the version that is wanted.
pub(crate) fn cargo_deny() -> Result<Command> {
    Ok(Command::new(tool::installed("cargo-deny", CARGO_DENY)?))
}
