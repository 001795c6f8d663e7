//! Growth: how throughput, memory and start depend on one property of the source at a time.

mod report;
mod step;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use clap::Args;
use walcast_testbed::{ConnectorConfig, Testbed, Walcast};

use super::connector::{self, LIMIT};
use super::meter::ServerMeter;
use super::plot;
use super::rows::drop_slot;
pub(super) use report::Line;
pub(super) use step::Dimension;
use step::Step;

/// How often the connector is asked how far it is.
const ASK_EVERY: Duration = Duration::from_millis(10);

/// Backlogs that differ in one property: walcast exactly once, from the start of the process.
#[derive(Args)]
#[command(after_help = "Examples:\n  cargo xtask bench growth\n  \
    cargo xtask bench growth --of tables --steps 3\n  \
    cargo xtask bench growth --of columns,row-width --changes 20000 --plots /tmp/plots\n\n\
    Each measurement has tables and a slot of its own. A change to each table is delivered before, so that topics and schemas exist.\n\
    Nothing is asserted about time.")]
pub(crate) struct Arguments {
    /// The properties that grow, one after another
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = Dimension::ALL)]
    of: Vec<Dimension>,
    /// Number of values of each property, the smallest first
    #[arg(long, default_value_t = 6, value_parser = clap::value_parser!(u32).range(1..))]
    steps: u32,
    /// Changes of a measurement, at most: there are less of large rows, and six times as many after the longest outage
    #[arg(long, default_value_t = 100_000, value_parser = clap::value_parser!(u64).range(100..))]
    changes: u64,
    /// Folder that gets the plots
    #[arg(long, value_name = "FOLDER")]
    plots: Option<PathBuf>,
    /// Print JSON, one line a measurement
    #[arg(long)]
    json: bool,
}

impl Arguments {
    /// All properties with so many values each.
    pub(super) fn all(steps: u32, changes: u64) -> Arguments {
        Arguments {
            of: Dimension::ALL.to_vec(),
            steps,
            changes,
            plots: None,
            json: false,
        }
    }
}

/// Measures, and prints a line for each measurement.
pub(super) async fn run(testbed: &Testbed, binary: &Path, arguments: &Arguments) -> Result<()> {
    if !arguments.json {
        report::print_head()?;
    }
    let mut lines = Vec::new();
    measure(testbed, binary, arguments, |line| {
        lines.push(line);
        report::print(&line, arguments.json)
    })
    .await?;
    if let Some(folder) = &arguments.plots {
        std::fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
        plot::growth(folder, &lines)?;
    }
    Ok(())
}

/// Measures every property with every value, one after another.
pub(super) async fn measure(
    testbed: &Testbed,
    binary: &Path,
    arguments: &Arguments,
    mut each: impl FnMut(Line) -> Result<()>,
) -> Result<()> {
    let mut number = 0;
    for dimension in &arguments.of {
        for step in Step::all(*dimension, arguments.changes, arguments.steps) {
            number += 1;
            let line = Box::pin(measure_step(testbed, binary, &step, &format!("growth{number}"))).await;
            each(line.with_context(|| format!("{} of {}", step.value, dimension.description()))?)?;
        }
    }
    Ok(())
}

/// One measurement, with a connector and a schema of this name.
async fn measure_step(testbed: &Testbed, binary: &Path, step: &Step, name: &str) -> Result<Line> {
    let postgres = &testbed.postgres;
    let client = postgres.client().await?;
    // The source's own commits are not what is measured.
    client.batch_execute("SET synchronous_commit = off").await?;
    for statement in step.creation(name) {
        client.batch_execute(&statement).await?;
    }
    let config = ConnectorConfig::new(testbed, name)?.set("postgres.tables", vec![format!("{name}.*")]);
    connector::make_slot(binary, &config).await?;
    client.batch_execute(&step.warm_up(name)).await?;
    connector::drain(testbed, binary, &config, step.warm_up_transactions()).await?;

    for statement in step.writes(name) {
        client.batch_execute(&statement).await?;
    }
    postgres.execute("CHECKPOINT").await?;
    let servers = ServerMeter::start(testbed)?;
    let begun = Instant::now();
    let mut walcast = Walcast::spawn_binary(binary, &config, &[])?;
    walcast
        .wait_ready(LIMIT)
        .await
        .context("walcast does not start")?;
    let started = begun.elapsed();
    connector::await_transactions(&mut walcast, step.transactions(), ASK_EVERY).await?;
    let elapsed = begun.elapsed();
    let (usage, servers) = (walcast.usage()?, servers.used()?);
    connector::stop(walcast).await?;
    drop_slot(testbed, &format!("walcast_{name}")).await?;
    Ok(Line {
        dimension: step.dimension,
        value: step.value,
        changes: step.changes(),
        started,
        elapsed,
        usage,
        servers,
    })
}
