//! Existing rows: how fast a table reaches Kafka at the first start, beside how fast the server copies it away.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};
use walcast_testbed::{ConnectorConfig, ProcessUsage, Testbed, TopicReader, Walcast};

/// No table of this size takes longer, whatever the machine.
const LIMIT: Duration = Duration::from_secs(900);
/// How often memory is looked at; the peak is kept by the system.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Fills a table, copies it to nowhere, and delivers it with one session and with two.
pub(super) async fn run(testbed: &Testbed, binary: &Path, rows: u64) -> Result<()> {
    let postgres = &testbed.postgres;
    eprintln!("writing {rows} rows");
    postgres
        .execute(&format!(
            "CREATE TABLE rows (id bigint PRIMARY KEY, customer int NOT NULL, status text NOT NULL, note text,
                 total numeric(12, 2) NOT NULL, placed timestamptz NOT NULL);
             INSERT INTO rows SELECT n, n % 1000, 'placed', repeat('note ', (n % 20)::int), n / 100.0, now()
             FROM generate_series(1, {rows}) n"
        ))
        .await?;
    postgres.execute("VACUUM (FREEZE, ANALYZE) rows").await?;
    postgres.execute("CHECKPOINT").await?;
    // The first one finds the table in no memory.
    copy(testbed).await?;
    // Not counted: a broker that has just started is slower.
    deliver(testbed, binary, "warm", 1, rows).await?;
    for sessions in [1, 2] {
        let raw = copy(testbed).await?;
        let name = format!("rows{sessions}");
        let (elapsed, usage) = deliver(testbed, binary, &name, sessions, rows).await?;
        let seconds = elapsed.as_secs_f64();
        eprintln!(
            "{rows} rows, {sessions} session(s)\n  COPY to /dev/null                      {:.2} s\n  \
             walcast, exactly once, Avro            {seconds:.2} s  ({:.0} rows/s)\n  \
             copy / walcast                          {:.2}\n  \
             processor time of walcast               {:.2} s\n  walcast, memory peak                    {} MB",
            raw.as_secs_f64(),
            f64::from(u32::try_from(rows)?) / seconds,
            raw.as_secs_f64() / seconds,
            usage.cpu_seconds,
            usage.resident_bytes_peak / 1_000_000
        );
    }
    Ok(())
}

async fn copy(testbed: &Testbed) -> Result<Duration> {
    let begun = Instant::now();
    testbed.postgres.execute("COPY rows TO '/dev/null'").await?;
    Ok(begun.elapsed())
}

/// From the start of the process to its end, which comes when all rows are in Kafka.
async fn deliver(
    testbed: &Testbed,
    binary: &Path,
    name: &str,
    sessions: i64,
    rows: u64,
) -> Result<(Duration, ProcessUsage)> {
    let config = ConnectorConfig::new(testbed, name)?
        .set("postgres.tables", vec!["public.rows".to_owned()])
        .set("snapshot.mode", "initial_only")
        .set("snapshot.connections", sessions);
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
        ensure!(
            begun.elapsed() < LIMIT,
            "the rows are not delivered after {} s",
            LIMIT.as_secs()
        );
        tokio::time::sleep(LOOK_EVERY).await;
    };
    let elapsed = begun.elapsed();
    if !status.success() {
        bail!("walcast ended with {status}:\n{}", walcast.log());
    }
    let mut found = 0;
    let mut reader = TopicReader::new(&testbed.kafka.brokers(), [format!("{name}.public.rows")]);
    reader.scan_new(|_| found += 1).await?;
    ensure!(
        found == rows,
        "{found} records are in Kafka where {rows} rows are in the table"
    );
    testbed
        .postgres
        .execute(&format!("SELECT pg_drop_replication_slot('walcast_{name}')"))
        .await?;
    Ok((elapsed, usage))
}
