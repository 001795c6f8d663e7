//! One measurement: the raw stream, walcast, and the raw stream again, over one backlog.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use walcast_testbed::{ConnectorConfig, Kafka, Postgres, ProcessUsage, Testbed, Walcast, wait_until};

use super::peers::Peers;

use super::backlog::{self, Backlog};
use super::{NAME, raw};

/// The slot that the yardstick reads.
const RAW_SLOT: &str = "bench_raw";
/// How often the connector is asked how far it is.
const ASK_EVERY: Duration = Duration::from_millis(25);
/// No backlog of this size takes longer, whatever the machine.
pub(super) const LIMIT: Duration = Duration::from_secs(900);

/// What one round took.
#[derive(Clone)]
pub(super) struct Round {
    /// The raw stream before and after walcast.
    pub(super) raw: [Duration; 2],
    pub(super) stream_bytes: u64,
    pub(super) walcast: Drained,
    /// Others over the same backlog, by name.
    pub(super) peers: Vec<(&'static str, Drained)>,
    /// Memory of a walcast that has nothing to do.
    pub(super) idle_bytes: u64,
}

impl Round {
    /// Seconds of the raw stream: the mean of before and after.
    pub(super) fn raw_seconds(&self) -> f64 {
        let [before, after] = self.raw.map(|raw| raw.as_secs_f64());
        f64::midpoint(before, after)
    }
}

/// What it took a connector to deliver a backlog.
#[derive(Clone)]
pub(super) struct Drained {
    /// From the start to the last change in Kafka. Of walcast the start of the process counts, of Debezium the creation of the
    /// connector in a worker that runs.
    pub(super) elapsed: Duration,
    pub(super) usage: ProcessUsage,
    /// Processor time of the broker meanwhile.
    pub(super) broker_cpu_seconds: f64,
}

/// Delivers a backlog without measuring: what the broker has run once, and the files that it has opened once, do not cost
/// the first round what they cost no later one.
pub(super) async fn warm_up(
    testbed: &Testbed,
    binary: &Path,
    config: &ConnectorConfig,
    peers: Option<&Peers>,
    backlog: Backlog,
) -> Result<()> {
    let postgres = &testbed.postgres;
    make_slot(binary, config).await?;
    if let Some(peers) = peers {
        peers.make_slots(testbed, binary).await?;
    }
    backlog::write(postgres, backlog).await?;
    postgres.execute("CHECKPOINT").await?;
    let drained = drain_with_walcast(&testbed.kafka, binary, config, backlog).await?;
    eprintln!(
        "warm-up, not counted: {} changes in {:.2} s",
        backlog.changes(),
        drained.elapsed.as_secs_f64()
    );
    if let Some(peers) = peers {
        peers.drain(testbed, binary, backlog).await?;
    }
    Ok(())
}

/// Writes a backlog and measures how fast it is read and delivered.
pub(super) async fn measure(
    testbed: &Testbed,
    binary: &Path,
    config: &ConnectorConfig,
    peers: Option<&Peers>,
    backlog: Backlog,
) -> Result<Round> {
    let postgres = &testbed.postgres;
    let idle_bytes = make_slot(binary, config).await?.resident_bytes;
    postgres.execute("TRUNCATE orders").await?;
    postgres
        .execute(&format!(
            "SELECT pg_create_logical_replication_slot('{RAW_SLOT}', 'pgoutput')"
        ))
        .await?;
    eprintln!("writing {} changes", backlog.changes());
    backlog::write(postgres, backlog).await?;
    postgres.execute("CHECKPOINT").await?;

    let before = drain_raw(testbed, backlog).await?;
    eprintln!("raw      {:.2} s", before.elapsed.as_secs_f64());
    let walcast = drain_with_walcast(&testbed.kafka, binary, config, backlog).await?;
    eprintln!("walcast  {:.2} s", walcast.elapsed.as_secs_f64());
    let drained = match peers {
        Some(peers) => peers.drain(testbed, binary, backlog).await?,
        None => Vec::new(),
    };
    let after = drain_raw(testbed, backlog).await?;
    eprintln!("raw      {:.2} s", after.elapsed.as_secs_f64());
    await_raw_slot(postgres).await?;
    postgres
        .execute(&format!("SELECT pg_drop_replication_slot('{RAW_SLOT}')"))
        .await?;
    Ok(Round {
        raw: [before.elapsed, after.elapsed],
        stream_bytes: before.bytes,
        walcast,
        peers: drained,
        idle_bytes,
    })
}

/// The server needs a moment to notice that a reader is gone, the longer the more it has to do.
async fn await_raw_slot(postgres: &Postgres) -> Result<()> {
    wait_until("the raw slot to be free", LIMIT, async || {
        let sql = format!("SELECT active FROM pg_replication_slots WHERE slot_name = '{RAW_SLOT}'");
        let client = postgres.client().await?;
        let row = client
            .query_one(&sql, &[])
            .await
            .map_err(|source| walcast_testbed::Error::Postgres {
                action: "looking at the raw slot".to_owned(),
                source,
            })?;
        Ok(!row.get::<_, bool>(0))
    })
    .await?;
    Ok(())
}

/// Runs walcast until it streams, so that there is a slot before there is a backlog; returns what that took.
pub(super) async fn make_slot(binary: &Path, config: &ConnectorConfig) -> Result<ProcessUsage> {
    let mut walcast = Walcast::spawn_binary(binary, config, &[])?;
    walcast
        .wait_ready(LIMIT)
        .await
        .context("walcast does not start")?;
    let usage = walcast.usage()?;
    stop(walcast).await?;
    Ok(usage)
}

pub(super) async fn stop(mut walcast: Walcast) -> Result<()> {
    ensure!(
        walcast.sigterm(LIMIT).await?.success(),
        "walcast did not stop cleanly"
    );
    Ok(())
}

async fn drain_raw(testbed: &Testbed, backlog: Backlog) -> Result<raw::Drained> {
    let postgres = &testbed.postgres;
    let (port, options) = (postgres.port(), postgres.options().clone());
    await_raw_slot(postgres).await?;
    let publication = format!("walcast_{NAME}");
    let commits = backlog.transactions();
    tokio::task::spawn_blocking(move || {
        raw::drain(
            port,
            &options.superuser,
            &options.database,
            RAW_SLOT,
            &publication,
            commits,
        )
    })
    .await?
}

/// From the start of the process until Kafka has committed the last change.
pub(super) async fn drain_with_walcast(
    kafka: &Kafka,
    binary: &Path,
    config: &ConnectorConfig,
    backlog: Backlog,
) -> Result<Drained> {
    let broker = kafka.process_id().context("the broker does not run")?;
    let broker_before = ProcessUsage::of(broker)?;
    let begun = Instant::now();
    let mut walcast = Walcast::spawn_binary(binary, config, &[])?;
    await_transactions(&mut walcast, backlog.transactions(), ASK_EVERY).await?;
    let elapsed = begun.elapsed();
    let usage = walcast.usage()?;
    let broker_after = ProcessUsage::of(broker)?;
    stop(walcast).await?;
    Ok(Drained {
        elapsed,
        usage,
        broker_cpu_seconds: broker_after.cpu_seconds - broker_before.cpu_seconds,
    })
}

/// Waits until so many transactions are in Kafka.
pub(super) async fn await_transactions(walcast: &mut Walcast, count: u64, ask_every: Duration) -> Result<()> {
    let begun = Instant::now();
    loop {
        // Until the admin interface is up there is nothing to read.
        let page = walcast.ask("metrics").await.unwrap_or_default();
        if delivered_transactions(&page) >= count {
            return Ok(());
        }
        if let Some(status) = walcast.ended()? {
            bail!("walcast ended with {status}:\n{}", walcast.log());
        }
        ensure!(
            begun.elapsed() < LIMIT,
            "what waits is not delivered after {} s",
            LIMIT.as_secs()
        );
        tokio::time::sleep(ask_every).await;
    }
}

fn delivered_transactions(page: &str) -> u64 {
    let line = page
        .lines()
        .find(|line| line.starts_with("walcast_transactions_total"));
    line.and_then(|line| line.rsplit(' ').next()?.parse().ok())
        .unwrap_or(0)
}
