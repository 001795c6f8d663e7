//! All measurements in one run, and the document that states them.

mod document;
mod figures;
mod machine;
mod plot;

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use clap::Args;
use walcast_testbed::Testbed;

use super::backlog::Backlog;
use super::latency::{self, Line};
use super::peers::Peers;
use super::round::Round;
use super::rows::{self, Shape, Tables, Task};
use super::{measure_backlog, starts};
use machine::Machine;

/// Number of starts that are measured.
const STARTS: u32 = 7;

/// Backlog, steady flow, starts and existing rows, beside Debezium; writes docs/benchmarks.md and its plots.
#[derive(Args)]
#[command(after_help = "Examples:\n  cargo xtask bench suite\n  \
    cargo xtask bench suite --changes 200000 --rounds 1 --out /tmp/benchmarks\n\n\
    Takes about a quarter of an hour on two cores. Nothing is asserted about time.")]
pub(crate) struct Arguments {
    /// Changes of the backlog, and existing rows
    #[arg(long, default_value_t = 1_000_000)]
    changes: u64,
    /// Rounds of the backlog
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// Transactions per second of the steady flows
    #[arg(long, value_delimiter = ',', default_value = "300,1000,3000", value_parser = clap::value_parser!(u32).range(1..))]
    rates: Vec<u32>,
    /// Seconds of a steady flow
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=3600))]
    seconds: u32,
    /// Folder that gets benchmarks.md and the plots
    #[arg(long, default_value = "docs")]
    out: PathBuf,
}

/// Everything that was measured in one run.
struct Results {
    machine: Machine,
    backlog: Backlog,
    rounds: Vec<Round>,
    flows: Vec<Line>,
    starts: Vec<Duration>,
    rows: Option<(Tables, rows::Round)>,
}

pub(super) async fn run(testbed: &Testbed, binary: &Path, arguments: &Arguments) -> Result<()> {
    let backlog = Backlog::of(arguments.changes);
    let mut results = Results {
        machine: Machine::describe(&testbed.postgres).await?,
        backlog,
        rounds: Vec::new(),
        flows: Vec::new(),
        starts: starts::measure(testbed, binary, STARTS).await?,
        rows: None,
    };
    let flows = latency::Arguments::at(&arguments.rates, arguments.seconds);
    latency::measure(testbed, binary, &flows, |line| {
        eprintln!(
            "{} at {} tx/s: p99 {:.1} ms",
            line.contestant, line.rate, line.p99
        );
        results.flows.push(line.clone());
        Ok(())
    })
    .await?;
    let peers = Peers::start(testbed).await?;
    measure_backlog(
        testbed,
        binary,
        backlog,
        arguments.rounds,
        Some(peers),
        |_, round| {
            results.rounds.push(round.clone());
            Ok(())
        },
    )
    .await?;
    let task = Task {
        rows: arguments.changes,
        tables: 4,
        shape: Shape::Orders,
        sessions: 2,
        rounds: 1,
        without_debezium: false,
    };
    rows::measure(testbed, binary, &task, |_, tables, round| {
        results.rows = Some((*tables, round.clone()));
        Ok(())
    })
    .await?;
    write(&arguments.out, &results)
}

fn write(folder: &Path, results: &Results) -> Result<()> {
    let plots = folder.join("benchmarks");
    std::fs::create_dir_all(&plots).with_context(|| format!("cannot create {}", plots.display()))?;
    plot::latencies(&plots.join("latency.svg"), &results.flows)?;
    plot::backlog(&plots.join("backlog.svg"), &results.rounds)?;
    let path = folder.join("benchmarks.md");
    std::fs::write(&path, document::text(results))
        .with_context(|| format!("cannot write {}", path.display()))?;
    eprintln!("written: {}", path.display());
    Ok(())
}
