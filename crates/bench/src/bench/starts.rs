//! Time from the start of the process to the first record in Kafka, from a slot that exists.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Result;
use walcast_testbed::{ConnectorConfig, Testbed, Walcast};

use super::connector;
use super::rows::drop_slot;

/// The connector's name.
const NAME: &str = "starts";
/// How often the connector is asked.
const ASK_EVERY: Duration = Duration::from_millis(5);

/// Starts walcast so often, each time with one change that waits; returns the times, sorted.
pub(super) async fn measure(testbed: &Testbed, binary: &Path, count: u32) -> Result<Vec<Duration>> {
    let postgres = &testbed.postgres;
    postgres
        .execute("CREATE TABLE starts (id integer PRIMARY KEY)")
        .await?;
    let config = ConnectorConfig::new(testbed, NAME)?
        .set("postgres.tables", vec!["public.starts".to_owned()])
        .set("snapshot.mode", "never");
    connector::make_slot(binary, &config).await?;
    let mut times = Vec::new();
    for number in 0..count {
        postgres
            .execute(&format!("INSERT INTO starts VALUES ({number})"))
            .await?;
        times.push(start(binary, &config).await?);
    }
    // It would retain WAL for as long as other measurements last.
    drop_slot(testbed, &format!("walcast_{NAME}")).await?;
    times.sort();
    Ok(times)
}

async fn start(binary: &Path, config: &ConnectorConfig) -> Result<Duration> {
    let begun = Instant::now();
    let mut walcast = Walcast::spawn_binary(binary, config, &[])?;
    connector::await_transactions(&mut walcast, 1, ASK_EVERY).await?;
    let elapsed = begun.elapsed();
    connector::stop(walcast).await?;
    Ok(elapsed)
}
