//! The slot that the yardstick reads.

use std::time::Duration;

use anyhow::Result;
use walcast_testbed::{Postgres, Testbed, wait_until};

use super::drain;
use crate::bench::connector::LIMIT;
use crate::bench::meter::ServerMeter;

/// Its name.
const SLOT: &str = "bench_raw";

/// What one reading took.
#[derive(Clone, Copy)]
pub(in crate::bench) struct RawRun {
    pub(in crate::bench) elapsed: Duration,
    pub(in crate::bench) bytes: u64,
    pub(in crate::bench) server_cpu_seconds: f64,
}

/// Creates the slot.
pub(in crate::bench) async fn create(postgres: &Postgres) -> Result<()> {
    let sql = format!("SELECT pg_create_logical_replication_slot('{SLOT}', 'pgoutput')");
    Ok(postgres.execute(&sql).await?)
}

/// Reads so many transactions and confirms nothing.
pub(in crate::bench) async fn read(testbed: &Testbed, publication: &str, commits: u64) -> Result<RawRun> {
    let postgres = &testbed.postgres;
    let (port, options, publication) = (
        postgres.port(),
        postgres.options().clone(),
        publication.to_owned(),
    );
    await_free(postgres).await?;
    let servers = ServerMeter::start(testbed)?;
    let read = move || {
        drain(
            port,
            &options.superuser,
            &options.database,
            SLOT,
            &publication,
            commits,
        )
    };
    let drained = tokio::task::spawn_blocking(read).await??;
    Ok(RawRun {
        elapsed: drained.elapsed,
        bytes: drained.bytes,
        server_cpu_seconds: servers.used()?.server_cpu_seconds,
    })
}

/// Drops the slot.
pub(in crate::bench) async fn drop_slot(postgres: &Postgres) -> Result<()> {
    await_free(postgres).await?;
    Ok(postgres
        .execute(&format!("SELECT pg_drop_replication_slot('{SLOT}')"))
        .await?)
}

/// The server needs a moment to notice that a reader is gone, the longer the more it has to do.
async fn await_free(postgres: &Postgres) -> Result<()> {
    wait_until("the raw slot to be free", LIMIT, async || {
        let sql = format!("SELECT active FROM pg_replication_slots WHERE slot_name = '{SLOT}'");
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
