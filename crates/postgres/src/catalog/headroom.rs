//! Preconditions on the WAL that the server retains for the slot: its limits, and the headroom below them.

use tokio_postgres::types::Type;
use walcast_delivery::{ConnectorSetting, Fix, Precondition, WalDirectory, WalSample, WalStatus};

use super::query::{one, value};
use super::wal::{IDLE_TIMEOUT_SINCE, KEEP_SIZE_SINCE, directory, wal};
use crate::config::PostgresConfig;
use crate::connect::Client;
use crate::error::PostgresError;

/// Fraction of the limit below which the headroom counts as small.
const SMALL: u64 = 5;

/// Checks the limits of the retained WAL and the headroom below them.
pub(crate) async fn headroom(
    client: &Client,
    server_version: u32,
    config: &PostgresConfig,
) -> Result<Vec<Precondition>, PostgresError> {
    let look = wal(client, server_version, &config.slot, false).await?;
    let mut found = vec![kept(client, server_version, look.as_ref(), config).await?];
    if let Some(wal_disk_size) = config.wal_disk_size {
        found.push(disk(client, wal_disk_size).await?);
    }
    Ok(found)
}

/// Setting of the server in its text format; `None` when the setting is off, or when the version does not have it.
async fn setting(
    client: &Client,
    server_version: u32,
    (name, since, off): (&str, u32, &str),
) -> Result<Option<String>, PostgresError> {
    const DOING: &str = "reading a setting";
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
    look: Option<&WalSample>,
    config: &PostgresConfig,
) -> Result<Precondition, PostgresError> {
    const NAME: &str = "WAL retained for the slot";
    const RAISE: &str = "ALTER SYSTEM SET max_slot_wal_keep_size = '…', then SELECT pg_reload_conf()";
    let keep_size = ("max_slot_wal_keep_size", KEEP_SIZE_SINCE, "-1");
    let idle_timeout = ("idle_replication_slot_timeout", IDLE_TIMEOUT_SINCE, "0");
    let idle = match setting(client, server_version, idle_timeout).await? {
        Some(timeout) => {
            format!(
                "; the server invalidates it after {timeout} without a stream (idle_replication_slot_timeout)"
            )
        }
        None => String::new(),
    };
    let Some(limit) = setting(client, server_version, keep_size).await? else {
        let found = format!(
            "without limit: while changes cannot be delivered, pg_wal grows until its disk is full{idle}"
        );
        let setting = ConnectorSetting::WalDiskSize;
        let fix = match config.wal_disk_size {
            Some(_) => Fix::default().setting(setting).text(" gives a warning in time"),
            None => Fix::from("set ").setting(setting).text(" to be warned in time"),
        };
        return Ok(Precondition::advised(NAME, found, fix));
    };
    let until = format!("at most {limit} (max_slot_wal_keep_size), then the server invalidates the slot");
    let left = look.and_then(|look| Some((look, look.keep_size?, look.safe_wal_size?)));
    Ok(match left {
        None => Precondition::holds(NAME, format!("{until}{idle}")),
        Some((look, _, _)) if look.status == Some(WalStatus::Unreserved) => Precondition::failed(
            NAME,
            format!(
                "nothing is left of max_slot_wal_keep_size = {limit}: the server invalidates the slot at its next checkpoint"
            ),
            RAISE,
        ),
        Some((_, keep_size, safe)) => {
            let safe = u64::try_from(safe).unwrap_or(0);
            let found = format!("{until}; {} MB are left{idle}", safe >> 20);
            if safe < keep_size / SMALL {
                Precondition::advised(NAME, found, format!("that is little: {RAISE}"))
            } else {
                Precondition::holds(NAME, found)
            }
        }
    })
}

async fn disk(client: &Client, wal_disk_size: u64) -> Result<Precondition, PostgresError> {
    const NAME: &str = "disk of pg_wal";
    const DOING: &str = "reading max_wal_size";
    let sql = "SELECT pg_size_bytes(current_setting('max_wal_size'))";
    let max_wal_size: i64 = value(DOING, &one(client, DOING, sql, &[]).await?, 0)?;
    let max_wal_size = u64::try_from(max_wal_size).unwrap_or(0);
    Ok(match directory(client).await? {
        WalDirectory::NotPermitted { role } => Precondition::failed(
            NAME,
            format!(
                "role {role} may not read the size of pg_wal, so the configured size of its disk has no effect"
            ),
            format!("GRANT pg_monitor TO {}", walcast_delivery::sql::identifier(&role)),
        ),
        _ if wal_disk_size.saturating_sub(max_wal_size) < wal_disk_size / SMALL => Precondition::failed(
            NAME,
            format!(
                "the disk of pg_wal is configured with {} MB, of which the server uses max_wal_size = {} MB whichever slots there are",
                wal_disk_size >> 20,
                max_wal_size >> 20
            ),
            Fix::from("lower max_wal_size, or correct ").setting(ConnectorSetting::WalDiskSize),
        ),
        WalDirectory::Bytes(bytes) => Precondition::holds(
            NAME,
            format!("{} of {} MB are used by pg_wal", bytes >> 20, wal_disk_size >> 20),
        ),
        WalDirectory::NotAsked => Precondition::holds(NAME, "not read"),
    })
}
