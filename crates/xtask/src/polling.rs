//! `cargo xtask polling`: a polled outbox under load, whose connector is killed again and again, on real servers.

use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Result, ensure};
use clap::Args;

use crate::servers;

/// A polled outbox under load, whose connector is killed at random places; then every event is looked for.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  cargo xtask polling\n  cargo xtask polling --kills 100 --events-between 500\n  \
    cargo xtask polling --seed 4711            # the same places again\n\n\
    Exit code 1: an event is missing, doubled or out of the order of its key."
)]
pub(crate) struct Arguments {
    /// Seed of the places [default: the clock]
    #[arg(long)]
    seed: Option<u64>,
    /// Number of times that the connector is killed
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u64).range(0..=10_000))]
    kills: u64,
    /// Largest number of events that are sent between a start and a kill
    #[arg(long, default_value_t = 4_000, value_parser = clap::value_parser!(u64).range(1..=20_000))]
    events_between: u64,
    /// Events that are written in a second
    #[arg(long, default_value_t = 2_000, value_parser = clap::value_parser!(u64).range(1..=100_000))]
    events_per_second: u64,
    /// Number of workers
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u64).range(1..=64))]
    workers: u64,
}

/// Builds both programs, then plays.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH)?;
    let seed = arguments.seed.unwrap_or_else(|| since.subsec_nanos().into());
    eprintln!("seed {seed}");
    let Arguments {
        kills,
        events_between,
        events_per_second,
        workers,
        ..
    } = *arguments;
    let numbers = [seed, kills, events_between, events_per_second, workers];
    let status = servers::play("polling", numbers.map(|number| number.to_string()))?;
    ensure!(status.success(), "the run failed: {status}");
    Ok(())
}
