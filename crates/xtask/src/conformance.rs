//! `cargo xtask conformance`: the scenarios that compare walcast with the real Debezium, and their list in docs/.

use anyhow::{Result, ensure};
use clap::Args;

use crate::servers;

/// The real Debezium and walcast side by side, scenario by scenario; writes docs/conformance.md when all are played.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  cargo xtask conformance            all scenarios, and docs/conformance.md\n  \
    cargo xtask conformance keys/      those with this text in their name\n  \
    cargo xtask conformance --debezium 3.6    all scenarios, beside the latest release"
)]
pub(crate) struct Arguments {
    /// Release of Debezium, whose fields walcast then writes: 3.3 or 3.6
    #[arg(long, value_name = "RELEASE", value_parser = ["3.3", "3.6"])]
    debezium: Option<String>,
    /// Play only scenarios with this text in their name
    scenario: Option<String>,
}

/// Builds both programs, then plays.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let release = arguments.debezium.iter();
    let release = release.flat_map(|release| ["--debezium".to_owned(), release.clone()]);
    let status = servers::play("conformance", release.chain(arguments.scenario.clone()))?;
    ensure!(status.success(), "not all scenarios came as expected: {status}");
    Ok(())
}
