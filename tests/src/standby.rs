//! A primary and a standby that can take its place with all slots, from 17 on: what docs/high-availability.md recommends.

use std::time::Duration;

use walcast_testbed::{Postgres, PostgresOptions, wait_until};

use crate::LIMIT;

/// How long a copy of a slot may take: the primary notes the running transactions every 15 s, an idle connector confirms every 10 s,
/// and a standby that found nothing to copy pauses for up to 30 s. These follow one another, also more than once.
const COPY_LIMIT: Duration = Duration::from_secs(300);

/// The physical slot by which a standby streams, of whichever server is the primary.
pub const PHYSICAL_SLOT: &str = "standby_1";

/// What both servers are set to, since each may have either role.
pub const SYNCHRONISED: [(&str, &str); 4] = [
    ("primary_slot_name", PHYSICAL_SLOT),
    ("hot_standby_feedback", "on"),
    ("sync_replication_slots", "on"),
    ("synchronized_standby_slots", PHYSICAL_SLOT),
];

/// Options of such a server.
pub fn synchronised(major: u16) -> PostgresOptions {
    let options = PostgresOptions::major(major);
    SYNCHRONISED.iter().fold(options, |options, (name, value)| {
        options.with_setting(name, value)
    })
}

/// Makes the slot that the standby streams by; WAL is retained for it from now on.
pub async fn make_physical_slot(primary: &Postgres) {
    let sql = format!("SELECT pg_create_physical_replication_slot('{PHYSICAL_SLOT}', true)");
    primary.execute(&sql).await.unwrap();
}

/// A connection string with two servers; which one is the primary is found out.
pub fn either(ports: [u16; 2], database: &str) -> String {
    let [first, second] = ports;
    format!(
        "postgres://postgres:postgres@127.0.0.1:{first},127.0.0.1:{second}/{database}?target_session_attrs=read-write&connect_timeout=5"
    )
}

/// Waits until a standby could continue with a slot: its copy is complete.
pub async fn await_copy(standby: &Postgres, slot: &str) {
    let complete =
        format!("SELECT synced AND NOT temporary FROM pg_replication_slots WHERE slot_name = '{slot}'");
    await_true(standby, "the copy of the slot", COPY_LIMIT, &complete).await;
}

/// Waits until a standby shows all that its primary has committed until now.
pub async fn await_replay(primary: &Postgres, standby: &Postgres) {
    let client = primary.client_of("postgres").await.unwrap();
    let written = client
        .query_one("SELECT pg_current_wal_insert_lsn()::text", &[])
        .await;
    let written: String = written.unwrap().get(0);
    let replayed = format!("SELECT pg_last_wal_replay_lsn() >= '{written}'");
    await_true(standby, "replay on the standby", LIMIT, &replayed).await;
}

/// Waits until a query gives true; a server that is not there yet is waited for.
async fn await_true(postgres: &Postgres, what: &str, limit: Duration, query: &str) {
    let is_true = async || {
        let Ok(client) = postgres.client_of("postgres").await else {
            return Ok(false);
        };
        let row = client.query_opt(query, &[]).await.unwrap();
        Ok(row.is_some_and(|row| row.get::<_, Option<bool>>(0) == Some(true)))
    };
    let reached = wait_until(what, limit, is_true).await;
    reached.unwrap_or_else(|error| panic!("{error}"));
}
