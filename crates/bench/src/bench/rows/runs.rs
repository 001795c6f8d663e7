//! One measurement each: a copy to nowhere, walcast, Debezium.

use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use walcast_testbed::{
    ConnectorConfig, Debezium, DebeziumConfig, ProcessUsage, Testbed, TopicReader, Walcast, records_written,
    wait_until,
};

use super::tables::Tables;

/// No tables of this size take longer, whatever the machine.
const LIMIT: Duration = Duration::from_secs(900);
/// How often memory is looked at; the peak is kept by the system.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// How often the broker is asked how long the topics are.
const ASK_EVERY: Duration = Duration::from_millis(100);

/// What it took.
#[derive(Clone)]
pub(in crate::bench) struct Run {
    pub(in crate::bench) elapsed: Duration,
    /// Processor time of the reader: of the copy, that of the server's process.
    pub(in crate::bench) cpu_seconds: f64,
    pub(in crate::bench) broker_cpu_seconds: f64,
    /// Peak memory of the process that delivers.
    pub(in crate::bench) resident_bytes_peak: u64,
}

/// Copies the tables to nowhere in the server.
pub(in crate::bench) async fn copy(testbed: &Testbed, tables: &Tables) -> Result<Run> {
    let client = testbed.postgres.client().await?;
    let row = client.query_one("SELECT pg_backend_pid()", &[]).await?;
    let server_process = u32::try_from(row.get::<_, i32>(0))?;
    let statements: Vec<String> = tables
        .names()
        .iter()
        .map(|name| format!("COPY {name} TO '/dev/null'"))
        .collect();
    let before = ProcessUsage::of(server_process)?;
    let begun = Instant::now();
    client.batch_execute(&statements.join("; ")).await?;
    let elapsed = begun.elapsed();
    let after = ProcessUsage::of(server_process)?;
    Ok(Run {
        elapsed,
        cpu_seconds: after.cpu_seconds - before.cpu_seconds,
        broker_cpu_seconds: 0.0,
        resident_bytes_peak: 0,
    })
}

/// From the start of the process to its end, which comes when all rows are in Kafka.
pub(super) async fn walcast(testbed: &Testbed, binary: &Path, tables: &Tables, sessions: u32) -> Result<Run> {
    let name = name("walcast");
    let config = ConnectorConfig::new(testbed, &name)?
        .set("postgres.tables", tables.full_names())
        .set("snapshot.mode", "initial_only")
        .set("snapshot.parallelism", i64::from(sessions));
    let broker_before = broker_usage(testbed)?;
    let begun = Instant::now();
    let mut walcast = Walcast::spawn_binary(binary, &config, &[])?;
    let mut usage = walcast.usage()?;
    let status = loop {
        if let Some(status) = walcast.ended()? {
            break status;
        }
        if let Ok(now) = walcast.usage() {
            usage = now;
        }
        check_limit(begun)?;
        tokio::time::sleep(LOOK_EVERY).await;
    };
    let elapsed = begun.elapsed();
    if !status.success() {
        bail!("walcast ended with {status}:\n{}", walcast.log());
    }
    let broker_after = broker_usage(testbed)?;
    check_count(testbed, tables, &name).await?;
    drop_slot(testbed, &format!("walcast_{name}")).await?;
    Ok(Run {
        elapsed,
        cpu_seconds: usage.cpu_seconds,
        broker_cpu_seconds: broker_after.cpu_seconds - broker_before.cpu_seconds,
        resident_bytes_peak: usage.resident_bytes_peak,
    })
}

/// From the registration of the connector at a running worker until all rows are in Kafka.
pub(super) async fn debezium(
    testbed: &Testbed,
    worker: &Debezium,
    tables: &Tables,
    threads: u32,
) -> Result<Run> {
    let name = name("debezium");
    let config = DebeziumConfig::new(&testbed.postgres, &testbed.registry, &name)
        .set("snapshot.mode", "initial")
        .set("snapshot.max.threads", &threads.to_string())
        .set("table.include.list", &tables.full_names().join(","));
    let publication = config.slot();
    testbed
        .postgres
        .execute(&format!(
            "CREATE PUBLICATION {publication} FOR TABLE {}",
            tables.full_names().join(", ")
        ))
        .await?;
    let (brokers, topics) = (testbed.kafka.brokers(), tables.topics(&name));
    let (before, broker_before) = (ProcessUsage::of(worker.process_id())?, broker_usage(testbed)?);
    let begun = Instant::now();
    worker.begin(&config).await?;
    while records_written(&brokers, &topics).await? < tables.rows {
        // A task that has failed says why.
        worker.runs(&name).await?;
        check_limit(begun)?;
        tokio::time::sleep(ASK_EVERY).await;
    }
    let elapsed = begun.elapsed();
    let (after, broker_after) = (ProcessUsage::of(worker.process_id())?, broker_usage(testbed)?);
    check_count(testbed, tables, &name).await?;
    worker.remove(&name).await?;
    drop_slot(testbed, config.slot()).await?;
    Ok(Run {
        elapsed,
        cpu_seconds: after.cpu_seconds - before.cpu_seconds,
        broker_cpu_seconds: broker_after.cpu_seconds - broker_before.cpu_seconds,
        resident_bytes_peak: after.resident_bytes_peak,
    })
}

/// A name that no earlier run had.
fn name(whose: &str) -> String {
    static RUNS: AtomicU32 = AtomicU32::new(0);
    format!("{whose}{}", RUNS.fetch_add(1, Ordering::Relaxed))
}

fn broker_usage(testbed: &Testbed) -> Result<ProcessUsage> {
    let broker = testbed.kafka.process_id().context("the broker does not run")?;
    Ok(ProcessUsage::of(broker)?)
}

fn check_limit(begun: Instant) -> Result<()> {
    ensure!(
        begun.elapsed() < LIMIT,
        "the rows are not delivered after {} s",
        LIMIT.as_secs()
    );
    Ok(())
}

/// A fast snapshot that loses or doubles rows would be worth nothing.
async fn check_count(testbed: &Testbed, tables: &Tables, name: &str) -> Result<()> {
    let mut found = 0;
    let mut reader = TopicReader::new(&testbed.kafka.brokers(), tables.topics(name));
    reader.scan_new(|_| found += 1).await?;
    ensure!(
        found == tables.rows,
        "{found} records of {name} are in Kafka where {} rows are in the tables",
        tables.rows
    );
    Ok(())
}

/// The server needs a moment to notice that a reader is gone.
pub(in crate::bench) async fn drop_slot(testbed: &Testbed, slot: &str) -> Result<()> {
    let sql = format!(
        "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots
         WHERE slot_name = '{slot}' AND NOT active"
    );
    wait_until("the slot to be free", LIMIT, async || {
        let client = testbed.postgres.client().await?;
        let dropped = client.query(&sql, &[]).await;
        let dropped = dropped.map_err(|source| walcast_testbed::Error::Postgres {
            action: format!("dropping slot {slot}"),
            source,
        })?;
        Ok(!dropped.is_empty())
    })
    .await?;
    Ok(())
}
