//! How much log the server keeps for a slot, for `walcast check`.

use tokio_postgres::Client;
use tokio_postgres::types::Type;
use walcast_delivery::{WalDirectory, WalLook, WalStatus};

use super::preconditions::Precondition;
use super::query::{one, value};
use super::wal::{IDLE_TIMEOUT_SINCE, KEEP_SIZE_SINCE, directory, wal};
use crate::config::PostgresConfig;
use crate::error::PostgresError;

/// With less than this share left it is told that it is little.
const LITTLE: u64 = 5;

/// What the limits are for the log that the slot holds back, and how far they are away.
pub(crate) async fn room(
    client: &Client,
    server_version: u32,
    config: &PostgresConfig,
) -> Result<Vec<Precondition>, PostgresError> {
    let look = wal(client, server_version, &config.slot, false).await?;
    let mut found = vec![kept(client, server_version, look.as_ref(), config).await?];
    if let Some(wal_disk) = config.wal_disk {
        found.push(disk(client, wal_disk).await?);
    }
    Ok(found)
}

/// A setting of the server as it prints it; `None`: it is off, or the version does not have it.
async fn setting(
    client: &Client,
    server_version: u32,
    (name, since, off): (&str, u32, &str),
) -> Result<Option<String>, PostgresError> {
    const DOING: &str = "asking for a setting";
    if server_version < since {
        return Ok(None);
    }
    let row = one(
        client,
        DOING,
        "SELECT current_setting($1)",
        &[(&name, Type::TEXT)],
    )
    .await?;
    let text: String = value(DOING, &row, 0)?;
    Ok(Some(text).filter(|text| text != off))
}

async fn kept(
    client: &Client,
    server_version: u32,
    look: Option<&WalLook>,
    config: &PostgresConfig,
) -> Result<Precondition, PostgresError> {
    const NAME: &str = "log kept for the slot";
    const RAISE: &str = "ALTER SYSTEM SET max_slot_wal_keep_size = '…', then SELECT pg_reload_conf()";
    let keep_size = ("max_slot_wal_keep_size", KEEP_SIZE_SINCE, "-1");
    let idle_timeout = ("idle_replication_slot_timeout", IDLE_TIMEOUT_SINCE, "0");
    let idle = match setting(client, server_version, idle_timeout).await? {
        Some(timeout) => {
            format!("; given up after {timeout} without a stream (idle_replication_slot_timeout)")
        }
        None => String::new(),
    };
    let Some(limit) = setting(client, server_version, keep_size).await? else {
        let disk = match config.wal_disk {
            Some(_) => "[guard] wal_disk warns of it in time",
            None => "set [guard] wal_disk to be warned in time",
        };
        let found = format!(
            "without limit: while changes cannot be delivered, pg_wal grows until its disk is full; {disk}{idle}"
        );
        return Ok(Precondition::ok(NAME, found));
    };
    let until = format!("at most {limit} (max_slot_wal_keep_size), then the server gives the slot up");
    let left = look.and_then(|look| Some((look, look.keep_size?, look.safe_wal_size?)));
    Ok(match left {
        None => Precondition::ok(NAME, format!("{until}{idle}")),
        Some((look, _, _)) if look.status == Some(WalStatus::Unreserved) => Precondition::failed(
            NAME,
            format!(
                "nothing is left of max_slot_wal_keep_size = {limit}: the server gives the slot up at its next checkpoint"
            ),
            RAISE,
        ),
        Some((_, keep_size, safe)) => {
            let safe = u64::try_from(safe).unwrap_or(0);
            let little = if safe < keep_size / LITTLE {
                format!(", which is little: {RAISE}")
            } else {
                String::new()
            };
            Precondition::ok(NAME, format!("{until}; {} MB are left{little}{idle}", safe >> 20))
        }
    })
}

async fn disk(client: &Client, wal_disk: u64) -> Result<Precondition, PostgresError> {
    const NAME: &str = "disk of pg_wal";
    const DOING: &str = "asking for max_wal_size";
    let sql = "SELECT pg_size_bytes(current_setting('max_wal_size'))";
    let max_wal_size: i64 = value(DOING, &one(client, DOING, sql, &[]).await?, 0)?;
    let max_wal_size = u64::try_from(max_wal_size).unwrap_or(0);
    Ok(match directory(client).await? {
        WalDirectory::NotPermitted { role } => Precondition::failed(
            NAME,
            format!("role {role} may not see the size of pg_wal, so [guard] wal_disk has no effect"),
            format!("GRANT pg_monitor TO {}", walcast_delivery::sql::identifier(&role)),
        ),
        _ if wal_disk.saturating_sub(max_wal_size) < wal_disk / LITTLE => Precondition::failed(
            NAME,
            format!(
                "[guard] wal_disk is {} MB, and the server fills max_wal_size = {} MB of it whatever slots do",
                wal_disk >> 20,
                max_wal_size >> 20
            ),
            "lower max_wal_size, or correct [guard] wal_disk",
        ),
        WalDirectory::Bytes(bytes) => Precondition::ok(
            NAME,
            format!("{} of {} MB are used by pg_wal", bytes >> 20, wal_disk >> 20),
        ),
        WalDirectory::NotAsked => Precondition::ok(NAME, "not asked for"),
    })
}
