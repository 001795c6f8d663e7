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

/// Advisories about versions that are built in.
pub(crate) fn audit() -> Result<()> {
    deny(&["advisories"])
}

fn deny(checks: &[&str]) -> Result<()> {
    let program = tool::installed("cargo-deny", CARGO_DENY)?;
    // What is right is not listed.
    super::run(
        Command::new(program)
            .args(["--log-level", "error", "check", "--hide-inclusion-graph"])
            .args(checks),
    )
}
