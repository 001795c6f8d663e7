//! `cargo xtask chaos`: two connectors, three brokers, a source and a registry, and everything that can happen to them.

use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Result, ensure};
use clap::Args;

use crate::servers;

/// Real servers under faults for so many minutes, then the verdict: every change once and in order, or not.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  cargo xtask chaos\n  cargo xtask chaos --minutes 60 --writes 1000\n  \
    cargo xtask chaos --seed 4711        # the same faults in the same order\n\n\
    Each fault is printed as it happens. Exit code 1: a change was lost, doubled or reordered, a connector ended as it must\n\
    not, or what was written did not arrive after every fault was repaired."
)]
pub(crate) struct Arguments {
    /// How long faults come
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=10_000))]
    minutes: u64,
    /// What chooses the faults [default: the clock]
    #[arg(long)]
    seed: Option<u64>,
    /// Row changes a second that are written meanwhile
    #[arg(long, default_value_t = 400, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    writes: u64,
}

/// Builds both programs, then plays.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH)?;
    let seed = arguments.seed.unwrap_or_else(|| since.subsec_nanos().into());
    eprintln!("{} minutes, seed {seed}", arguments.minutes);
    let numbers = [arguments.minutes, seed, arguments.writes].map(|number| number.to_string());
    let status = servers::play("chaos", numbers)?;
    ensure!(status.success(), "the promise was broken, seed {seed}: {status}");
    Ok(())
}
