//! Latency of a steady flow: from the commit in Postgres to a read_committed consumer, beside Debezium.

mod beside;
mod load;
mod report;
mod runs;

use std::path::Path;
use std::time::Duration;

use anyhow::Result;
use clap::Args;
use walcast_testbed::{Debezium, Testbed};

use super::debezium_worker;
pub(super) use beside::{Arguments as BesideArguments, Beside, measure as measure_beside, run as run_beside};
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
    #[arg(long, value_delimiter = ',', default_value = "100,1000,3000,10000", value_parser = clap::value_parser!(u32).range(1..))]
    rates: Vec<u32>,
    /// Rows of a transaction, one measurement each
    #[arg(long, value_delimiter = ',', default_value = "1,10", value_parser = clap::value_parser!(u32).range(1..=1000))]
    rows: Vec<u32>,
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
    /// All contestants at these rates, with so many rows in a transaction.
    pub(super) fn at(rates: &[u32], rows: &[u32], seconds: u32) -> Arguments {
        Arguments {
            rates: rates.to_vec(),
            rows: rows.to_vec(),
            seconds,
            without_debezium: false,
            exactly_once_only: false,
            json: false,
        }
    }
}

/// Measures every contestant with every flow, and prints a line for each measurement.
pub(super) async fn run(testbed: &Testbed, binary: &Path, arguments: &Arguments) -> Result<()> {
    if !arguments.json {
        report::print_head()?;
    }
    let worker = if arguments.without_debezium {
        None
    } else {
        Some(debezium_worker(testbed).await?)
    };
    measure(testbed, binary, worker.as_ref(), arguments, |line| {
        report::print(line, arguments.json)
    })
    .await
}

/// Measures every contestant with every flow, one after another; Debezium if there is a worker.
pub(super) async fn measure(
    testbed: &Testbed,
    binary: &Path,
    worker: Option<&Debezium>,
    arguments: &Arguments,
    mut each: impl FnMut(&Line) -> Result<()>,
) -> Result<()> {
    load::create_table(&testbed.postgres).await?;
    let mut contestants = vec![Contestant::Walcast("exactly_once")];
    if !arguments.exactly_once_only {
        contestants.push(Contestant::Walcast("at_least_once"));
    }
    contestants.extend(worker.map(Contestant::Debezium));
    for rows in &arguments.rows {
        for rate in &arguments.rates {
            let flow = Flow {
                rate: *rate,
                rows: *rows,
                lasts: Duration::from_secs(arguments.seconds.into()),
            };
            for contestant in &contestants {
                let measured = Box::pin(runs::measure(testbed, binary, contestant, flow)).await?;
                each(&Line::of(contestant, flow, &measured))?;
            }
        }
    }
    Ok(())
}
