//! Existing rows: how fast tables reach Kafka at the first start, beside how fast the server copies them away, and beside
//! Debezium's snapshot of the same tables.

mod report;
mod runs;
mod tables;

use std::path::Path;

use anyhow::Result;
use walcast_testbed::Testbed;

use super::debezium_worker;
pub(super) use report::Round;
pub(super) use runs::{Run, copy, drop_slot};
pub(super) use tables::{Shape, Tables};

/// What is measured.
pub(super) struct Task {
    pub(super) rows: u64,
    pub(super) tables: u32,
    pub(super) shape: Shape,
    /// Sessions of walcast beside one.
    pub(super) sessions: u32,
    pub(super) rounds: u32,
    pub(super) without_debezium: bool,
}

/// Threads of Debezium's snapshot. Each reads whole tables.
const DEBEZIUM_THREADS: [u32; 2] = [1, 4];
/// Rows that each delivers before it is measured: a virtual machine, and a broker, that has just started is slower.
const WARM_UP_ROWS: u64 = 200_000;

/// Fills tables, copies them to nowhere, delivers them with one session and with several, and prints each round.
pub(super) async fn run(testbed: &Testbed, binary: &Path, task: &Task) -> Result<()> {
    measure(testbed, binary, task, report::print).await
}

/// The same with another report of each round.
pub(super) async fn measure(
    testbed: &Testbed,
    binary: &Path,
    task: &Task,
    mut each: impl FnMut(u32, &Tables, &Round) -> Result<()>,
) -> Result<()> {
    let warm_up = Tables {
        prefix: "warm",
        count: task.tables,
        rows: task.rows.min(WARM_UP_ROWS),
        shape: task.shape,
    };
    let tables = Tables {
        prefix: "rows",
        rows: task.rows,
        ..warm_up
    };
    for tables in [&warm_up, &tables] {
        eprintln!("writing {} rows", tables.rows);
        tables.fill(&testbed.postgres).await?;
    }
    testbed.postgres.execute("CHECKPOINT").await?;
    runs::walcast(testbed, binary, &warm_up, 1).await?;
    // The first one finds the tables in no memory.
    copy(testbed, &tables).await?;
    for number in 1..=task.rounds {
        let round = round(testbed, binary, task, &warm_up, &tables).await?;
        each(number, &tables, &round)?;
    }
    Ok(())
}

async fn round(
    testbed: &Testbed,
    binary: &Path,
    task: &Task,
    warm_up: &Tables,
    tables: &Tables,
) -> Result<Round> {
    let before = copy(testbed, tables).await?;
    let mut walcast = Vec::new();
    for sessions in [1, task.sessions] {
        walcast.push((sessions, runs::walcast(testbed, binary, tables, sessions).await?));
    }
    let mut debezium = Vec::new();
    if !task.without_debezium {
        let worker = debezium_worker(testbed).await?;
        runs::debezium(testbed, &worker, warm_up, 1).await?;
        for threads in DEBEZIUM_THREADS {
            debezium.push((threads, runs::debezium(testbed, &worker, tables, threads).await?));
        }
    }
    let after = copy(testbed, tables).await?;
    Ok(Round {
        copy: [before, after],
        walcast,
        debezium,
    })
}
