//! Latency of a steady flow: from the commit in Postgres to a read_committed consumer, beside Debezium.

mod load;
mod report;
mod runs;

use std::path::Path;
use std::time::Duration;

use anyhow::Result;
use clap::Args;
use walcast_testbed::Testbed;

use super::debezium_worker;
pub(super) use report::Line;
use runs::{Contestant, Flow};

/// A steady flow of small transactions: commit to consumer, and the processor time that it takes.
#[derive(Args)]
#[command(after_help = "Examples:\n  cargo xtask bench latency\n  \
    cargo xtask bench latency --rates 300,1000,6000 --seconds 30\n  \
    cargo xtask bench latency --rows 10 --without-debezium\n\n\
    The latency of a transaction is the time from the response to its COMMIT to the arrival of its last record at a\n\
    read_committed consumer. Nothing is asserted about time.")]
pub(crate) struct Arguments {
    /// Transactions per second, one measurement each
    #[arg(long, value_delimiter = ',', default_value = "100,1000,3000", value_parser = clap::value_parser!(u32).range(1..))]
    rates: Vec<u32>,
    /// Rows of a transaction
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1000))]
    rows: u32,
    /// Seconds of a measurement
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=3600))]
    seconds: u32,
    /// Leave Debezium out
    #[arg(long)]
    without_debezium: bool,
    /// Leave walcast at least once out
    #[arg(long)]
    exactly_once_only: bool,
    /// Print JSON, one line a measurement
    #[arg(long)]
    json: bool,
}

impl Arguments {
    /// All contestants at these rates, transactions of one row.
    pub(super) fn at(rates: &[u32], seconds: u32) -> Arguments {
        Arguments {
            rates: rates.to_vec(),
            rows: 1,
            seconds,
            without_debezium: false,
            exactly_once_only: false,
            json: false,
        }
    }
}

/// Measures every contestant at every rate, and prints a line for each measurement.
pub(super) async fn run(testbed: &Testbed, binary: &Path, arguments: &Arguments) -> Result<()> {
    if !arguments.json {
        report::print_head()?;
    }
    measure(testbed, binary, arguments, |line| {
        report::print(line, arguments.json)
    })
    .await
}

/// Measures every contestant at every rate, one after another.
pub(super) async fn measure(
    testbed: &Testbed,
    binary: &Path,
    arguments: &Arguments,
    mut each: impl FnMut(&Line) -> Result<()>,
) -> Result<()> {
    load::create_table(&testbed.postgres).await?;
    let mut contestants = vec![Contestant::Walcast("exactly_once")];
    if !arguments.exactly_once_only {
        contestants.push(Contestant::Walcast("at_least_once"));
    }
    let worker = if arguments.without_debezium {
        None
    } else {
        Some(debezium_worker(testbed).await?)
    };
    contestants.extend(worker.as_ref().map(Contestant::Debezium));
    for rate in &arguments.rates {
        let flow = Flow {
            rate: *rate,
            rows: arguments.rows,
            lasts: Duration::from_secs(arguments.seconds.into()),
        };
        for contestant in &contestants {
            let measured = runs::measure(testbed, binary, contestant, flow).await?;
            each(&Line::of(contestant, flow, &measured))?;
        }
    }
    Ok(())
}
