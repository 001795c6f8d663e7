//! `cargo xtask conformance`: the scenarios that compare walcast with the real Debezium, and their list in docs/.

use anyhow::{Result, ensure};
use clap::Args;

use crate::servers;

/// The real Debezium and walcast side by side, scenario by scenario; writes docs/conformance.md when all are played.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  cargo xtask conformance            all scenarios, and docs/conformance.md\n  \
    cargo xtask conformance keys/      those with this text in their name"
)]
pub(crate) struct Arguments {
    /// Play only scenarios with this text in their name
    scenario: Option<String>,
}

/// Builds both programs, then plays.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let status = servers::play("conformance", arguments.scenario.clone())?;
    ensure!(status.success(), "not all scenarios came as expected: {status}");
    Ok(())
}
