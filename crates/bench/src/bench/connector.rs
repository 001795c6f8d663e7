//! The process of walcast, from its start until what waits is in Kafka.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use walcast_testbed::{ConnectorConfig, ProcessUsage, Testbed, Walcast};

use super::meter::{ServerMeter, ServersUsed};

/// How often the connector is asked how far it is.
const ASK_EVERY: Duration = Duration::from_millis(25);
/// No backlog takes longer, whatever the machine.
pub(super) const LIMIT: Duration = Duration::from_secs(900);

/// What it took a connector to deliver a backlog.
#[derive(Clone, Copy)]
pub(super) struct Drained {
    /// From the start to the last change in Kafka. Of walcast the start of the process counts, of Debezium the creation of the
    /// connector in a worker that runs.
    pub(super) elapsed: Duration,
    pub(super) usage: ProcessUsage,
    /// What the servers used meanwhile.
    pub(super) servers: ServersUsed,
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

/// Ends the process, which must succeed.
pub(super) async fn stop(mut walcast: Walcast) -> Result<()> {
    ensure!(
        walcast.sigterm(LIMIT).await?.success(),
        "walcast did not stop cleanly"
    );
    Ok(())
}

/// From the start of the process until Kafka has committed the last of so many transactions.
pub(super) async fn drain(
    testbed: &Testbed,
    binary: &Path,
    config: &ConnectorConfig,
    transactions: u64,
) -> Result<Drained> {
    let servers = ServerMeter::start(testbed)?;
    let begun = Instant::now();
    let mut walcast = Walcast::spawn_binary(binary, config, &[])?;
    await_transactions(&mut walcast, transactions, ASK_EVERY).await?;
    let elapsed = begun.elapsed();
    let (usage, servers) = (walcast.usage()?, servers.used()?);
    stop(walcast).await?;
    Ok(Drained {
        elapsed,
        usage,
        servers,
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
