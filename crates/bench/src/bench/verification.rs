//! Speed and memory of `walcast verify`, beside reading both sides alone.

use std::io::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use clap::Args;
use walcast_testbed::{ConnectorConfig, Testbed, TopicReader, Walcast, records_written, wait_until};

use super::command::{self, Took};
use super::connector::{self, LIMIT};
use super::rows::{self, Shape, Tables, drop_slot};

/// Comparison of a table with its topic, beside COPY of the table and reading of the topic.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  cargo xtask bench verify\n  cargo xtask bench verify --rows 10000000\n\n\
    A tenth of the rows is compared first, to show that memory does not grow. Nothing is asserted."
)]
pub(crate) struct Arguments {
    /// Rows of the table
    #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(u64).range(10..))]
    rows: u64,
}

/// Share of the rows in the comparison that memory is compared to.
const TENTH: u64 = 10;

/// One comparison.
#[derive(Clone)]
pub(super) struct Line {
    pub(super) rows: u64,
    /// COPY of the table to nowhere, before the comparison and after it.
    pub(super) copy: [Duration; 2],
    /// Reading of the topic by a consumer that decodes nothing, before the comparison and after it.
    pub(super) read: [Duration; 2],
    pub(super) verify: Took,
}

impl Line {
    /// Seconds in which both sides are read alone, one after the other.
    pub(super) fn alone_seconds(&self) -> f64 {
        let mean = |[before, after]: [Duration; 2]| f64::midpoint(before.as_secs_f64(), after.as_secs_f64());
        mean(self.copy) + mean(self.read)
    }

    /// Time of reading both sides alone by that of the comparison.
    pub(super) fn ratio(&self) -> f64 {
        self.alone_seconds() / self.verify.elapsed.as_secs_f64()
    }

    pub(super) fn rows_per_second(&self) -> f64 {
        f64::from(u32::try_from(self.rows).unwrap_or(u32::MAX)) / self.verify.elapsed.as_secs_f64()
    }
}

/// Measures, and prints a line for each comparison.
pub(super) async fn run(testbed: &Testbed, binary: &Path, arguments: &Arguments) -> Result<()> {
    for line in measure(testbed, binary, arguments.rows).await? {
        writeln!(
            std::io::stdout().lock(),
            "{} rows: verify {:.2} s ({:.0} rows/s), both sides alone {:.2} s, ratio {:.2}, {:.2} s of processor time, {} MB",
            line.rows,
            line.verify.elapsed.as_secs_f64(),
            line.rows_per_second(),
            line.alone_seconds(),
            line.ratio(),
            line.verify.usage.cpu_seconds,
            line.verify.usage.resident_bytes_peak / (1024 * 1024),
        )?;
    }
    Ok(())
}

/// Compares a tenth of so many rows, and then all of them.
pub(super) async fn measure(testbed: &Testbed, binary: &Path, rows: u64) -> Result<Vec<Line>> {
    let mut lines = Vec::new();
    for (prefix, rows) in [("fewer", rows / TENTH), ("checked", rows)] {
        let tables = Tables {
            prefix,
            count: 1,
            rows,
            shape: Shape::Orders,
        };
        eprintln!("verifying {rows} rows");
        tables.fill(&testbed.postgres).await?;
        lines.push(Box::pin(compare(testbed, binary, &tables)).await?);
    }
    Ok(lines)
}

async fn compare(testbed: &Testbed, binary: &Path, tables: &Tables) -> Result<Line> {
    let name = format!("verify_{}", tables.prefix);
    let config = ConnectorConfig::new(testbed, &name)?
        .set("postgres.tables", tables.full_names())
        .set("snapshot.mode", "initial");
    let mut walcast = Walcast::spawn_binary(binary, &config, &[])?;
    walcast
        .wait_ready(LIMIT)
        .await
        .context("walcast does not start")?;
    let (brokers, topics) = (testbed.kafka.brokers(), tables.topics(&name));
    wait_until("the rows in Kafka", LIMIT, async || {
        Ok(records_written(&brokers, &topics).await? >= tables.rows)
    })
    .await?;

    // The first one finds neither side in memory, and is not counted.
    let verify = ["verify", "--no-certificate"];
    command::run(binary, &config, &verify).await?;
    let before = alone(testbed, tables, &topics).await?;
    let took = command::run(binary, &config, &verify).await?;
    let after = alone(testbed, tables, &topics).await?;
    connector::stop(walcast).await?;
    drop_slot(testbed, &format!("walcast_{name}")).await?;
    Ok(Line {
        rows: tables.rows,
        copy: [before.0, after.0],
        read: [before.1, after.1],
        verify: took,
    })
}

/// Reads the table, and then the topic.
async fn alone(testbed: &Testbed, tables: &Tables, topics: &[String]) -> Result<(Duration, Duration)> {
    let copy = rows::copy(testbed, tables).await?.elapsed;
    let begun = Instant::now();
    let mut reader = TopicReader::new(&testbed.kafka.brokers(), topics.to_vec());
    reader.scan_new(drop).await?;
    Ok((copy, begun.elapsed()))
}
