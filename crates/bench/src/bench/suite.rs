//! All measurements in one run, and the document that states them.

mod document;
mod machine;

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use clap::Args;
use walcast_testbed::{Debezium, Testbed};

use super::backlog::{Backlog, Workload};
use super::growth;
use super::latency::{self, Beside, Line};
use super::peers::Wanted;
use super::plot;
use super::round::{Race, Round};
use super::rows::{self, Shape, Tables, Task};
use super::{debezium_worker, starts, verification};
use machine::Machine;

/// Backlogs, steady flow, starts, existing rows and growth, beside Debezium; a replay and a verification; writes docs/benchmarks.md and its plots.
#[derive(Args)]
#[command(after_help = "Examples:\n  cargo xtask bench suite\n  \
    cargo xtask bench suite --changes 200000 --rounds 1 --seconds 5 --growth-steps 3 --out /tmp/benchmarks\n  \
    cargo xtask bench suite --smoke --out /tmp/benchmarks   # whether everything runs; the figures mean nothing\n\n\
    Takes about an hour on two cores. Nothing is asserted about time.")]
pub(crate) struct Arguments {
    /// Changes of the backlog, and existing rows; the other backlogs are smaller in proportion
    #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(u64).range(1000..))]
    changes: u64,
    /// Rounds of the backlog
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// Rounds of each other backlog
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    workload_rounds: u32,
    /// Transactions per second of the steady flows
    #[arg(long, value_delimiter = ',', default_value = "100,1000,3000,10000", value_parser = clap::value_parser!(u32).range(1..))]
    rates: Vec<u32>,
    /// Rows of a transaction of the steady flows
    #[arg(long, value_delimiter = ',', default_value = "1,10", value_parser = clap::value_parser!(u32).range(1..=1000))]
    transaction_rows: Vec<u32>,
    /// Seconds of a steady flow
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=3600))]
    seconds: u32,
    /// Number of starts
    #[arg(long, default_value_t = 7, value_parser = clap::value_parser!(u32).range(1..))]
    starts: u32,
    /// Number of values of each property that grows
    #[arg(long, default_value_t = 6, value_parser = clap::value_parser!(u32).range(1..))]
    growth_steps: u32,
    /// Changes of a measurement of growth
    #[arg(long, default_value_t = 100_000, value_parser = clap::value_parser!(u64).range(100..))]
    growth_changes: u64,
    /// Measure the backlog with a Debezium with larger queues and batches too
    #[arg(long)]
    tuned: bool,
    /// Leave Debezium out
    #[arg(long)]
    without_debezium: bool,
    /// Measure everything once, as small as it can be, without Debezium
    #[arg(long, conflicts_with_all = [
        "changes", "rounds", "workload_rounds", "rates", "transaction_rows", "seconds", "starts", "growth_steps", "growth_changes",
        "tuned", "without_debezium"
    ])]
    smoke: bool,
    /// Folder that gets benchmarks.md and the plots
    #[arg(long, default_value = "docs")]
    out: PathBuf,
}

impl Arguments {
    /// The sizes of a smoke run.
    fn smoke(out: &Path) -> Arguments {
        Arguments {
            changes: 100,
            rounds: 1,
            workload_rounds: 1,
            rates: vec![100],
            transaction_rows: vec![1, 10],
            seconds: 1,
            starts: 1,
            growth_steps: 1,
            growth_changes: 100,
            tuned: false,
            without_debezium: true,
            smoke: true,
            out: out.to_owned(),
        }
    }
}

/// Transactions per second beside a replay, where only one rate is measured.
const RATE_BESIDE: u32 = 100;

/// A backlog and its rounds.
struct Measured {
    backlog: Backlog,
    rounds: Vec<Round>,
}

/// Everything that was measured in one run.
struct Results {
    machine: Machine,
    backlog: Measured,
    workloads: Vec<Measured>,
    flows: Vec<Line>,
    beside: Vec<Beside>,
    starts: Vec<Duration>,
    rows: Option<(Tables, rows::Round)>,
    verifications: Vec<verification::Line>,
    growth: Vec<growth::Line>,
}

pub(super) async fn run(testbed: &Testbed, binary: &Path, arguments: &Arguments) -> Result<()> {
    let smoke = Arguments::smoke(&arguments.out);
    let arguments = if arguments.smoke { &smoke } else { arguments };
    let machine = Machine::describe(&testbed.postgres).await?;
    let starts = starts::measure(testbed, binary, arguments.starts).await?;
    let own_worker = match arguments.without_debezium {
        true => None,
        false => Some(debezium_worker(testbed).await?),
    };
    let worker = own_worker.as_ref();

    let mut flows = Vec::new();
    let wanted = latency::Arguments::at(&arguments.rates, &arguments.transaction_rows, arguments.seconds);
    let each = |line: &Line| {
        eprintln!(
            "{} at {} tx/s of {} row(s): p99 {:.1} ms",
            line.contestant, line.rate, line.rows, line.p99
        );
        flows.push(line.clone());
        Ok(())
    };
    Box::pin(latency::measure(testbed, binary, worker, &wanted, each)).await?;

    let wanted = latency::BesideArguments {
        rate: *arguments.rates.get(1).unwrap_or(&RATE_BESIDE),
        seconds: arguments.seconds,
        window: arguments.changes,
    };
    let beside = Box::pin(latency::measure_beside(testbed, binary, &wanted)).await?;

    let wanted = Wanted {
        without_context_headers: true,
        at_least_once: !arguments.smoke,
        tuned: arguments.tuned,
    };
    let backlog = Backlog::of(Workload::Mixed, arguments.changes);
    let backlog = measure(testbed, binary, backlog, worker, wanted, arguments.rounds).await?;
    let wanted = Wanted {
        without_context_headers: false,
        ..wanted
    };
    let mut workloads = Vec::new();
    for workload in Workload::OTHERS {
        let changes = workload.default_changes() * arguments.changes / Workload::Mixed.default_changes();
        let backlog = Backlog::of(workload, changes);
        eprintln!("{}", workload.description());
        workloads.push(
            measure(
                testbed,
                binary,
                backlog,
                worker,
                wanted,
                arguments.workload_rounds,
            )
            .await?,
        );
    }

    // Existing rows are read by a worker of their own.
    drop(own_worker);

    let mut rows = None;
    let task = Task {
        rows: arguments.changes,
        tables: 4,
        shape: Shape::Orders,
        sessions: 2,
        rounds: 1,
        without_debezium: arguments.without_debezium,
    };
    let each = |_, tables: &Tables, round: &rows::Round| {
        rows = Some((*tables, round.clone()));
        Ok(())
    };
    Box::pin(rows::measure(testbed, binary, &task, each)).await?;

    let verifications = Box::pin(verification::measure(testbed, binary, arguments.changes)).await?;

    let mut grown = Vec::new();
    let wanted = growth::Arguments::all(arguments.growth_steps, arguments.growth_changes);
    let each = |line: growth::Line| {
        let (value, what) = (line.value, line.dimension.description());
        eprintln!("{value} {what}: {:.0} changes/s", line.changes_per_second());
        grown.push(line);
        Ok(())
    };
    Box::pin(growth::measure(testbed, binary, &wanted, each)).await?;

    let results = Results {
        machine,
        backlog,
        workloads,
        flows,
        beside,
        starts,
        rows,
        verifications,
        growth: grown,
    };
    write(&arguments.out, &results)
}

async fn measure(
    testbed: &Testbed,
    binary: &Path,
    backlog: Backlog,
    worker: Option<&Debezium>,
    wanted: Wanted,
    rounds: u32,
) -> Result<Measured> {
    let race = Race::new(testbed, binary, backlog, worker, wanted)?;
    let mut measured = Vec::new();
    let each = |_, round: &Round| {
        measured.push(round.clone());
        Ok(())
    };
    Box::pin(race.run(rounds, each)).await?;
    Ok(Measured {
        backlog,
        rounds: measured,
    })
}

fn write(folder: &Path, results: &Results) -> Result<()> {
    let plots = folder.join("benchmarks");
    std::fs::create_dir_all(&plots).with_context(|| format!("cannot create {}", plots.display()))?;
    for rows in document::transaction_rows(results) {
        plot::latencies(&plots.join(plot::latency_file(rows)), &results.flows, rows)?;
    }
    plot::backlog(&plots.join("backlog.svg"), &results.backlog.rounds)?;
    let workloads = results.workloads.iter();
    let workloads: Vec<_> = workloads
        .map(|measured| {
            let backlog = measured.backlog;
            (
                backlog.workload.name(),
                backlog.changes(),
                measured.rounds.clone(),
            )
        })
        .collect();
    plot::workloads(&plots.join("workloads.svg"), &workloads)?;
    plot::growth(&plots, &results.growth)?;
    let path = folder.join("benchmarks.md");
    std::fs::write(&path, document::text(results))
        .with_context(|| format!("cannot write {}", path.display()))?;
    eprintln!("written: {}", path.display());
    Ok(())
}
