//! WAL that a slot retains, and the server's limits for it.

use std::time::Duration;

use tokio_postgres::types::Type;
use walcast_delivery::{WalDirectory, WalSample};

use super::query::{lsn, one, row, unexpected, value};
use super::slot::wal_status;
use crate::config::FAILOVER_SLOTS_SINCE;
use crate::connect::Client;
use crate::error::PostgresError;

const DOING: &str = "reading the WAL that the slot retains";

/// First version with `max_slot_wal_keep_size`, `wal_status` and `safe_wal_size`.
pub(super) const KEEP_SIZE_SINCE: u32 = 130_000;
/// First version with `inactive_since`.
pub(super) const INACTIVE_SINCE: u32 = 170_000;
/// First version with `idle_replication_slot_timeout`.
pub(super) const IDLE_TIMEOUT_SINCE: u32 = 180_000;

/// Slots of `synchronized_standby_slots` without an active walsender. Only a failover slot waits for them.
const AWAITED_STANDBYS: &str = "CASE WHEN failover THEN ARRAY( \
     SELECT trim(awaited) FROM unnest(string_to_array(current_setting('synchronized_standby_slots'), ',')) AS awaited \
     WHERE NOT EXISTS (SELECT FROM pg_replication_slots AS standby WHERE standby.slot_name = trim(awaited) AND standby.active)) END";

/// WAL that a slot retains; `None` when the slot does not exist. `with_directory` includes the size of `pg_wal`, for which the
/// server reads the size of every file in it.
pub(crate) async fn wal(
    client: &Client,
    server_version: u32,
    slot: &str,
    with_directory: bool,
) -> Result<Option<WalSample>, PostgresError> {
    let sql = sql(server_version);
    let Some(row) = row(client, DOING, &sql, &[(&slot, Type::TEXT)]).await? else {
        return Ok(None);
    };
    let status: Option<String> = value(DOING, &row, 3)?;
    let keep_size: Option<i64> = value(DOING, &row, 4)?;
    let inactive: Option<f64> = value(DOING, &row, 6)?;
    let idle_timeout: Option<f64> = value(DOING, &row, 7)?;
    let catalog_xmin_age: Option<i64> = value(DOING, &row, 8)?;
    let max_wal_size: i64 = value(DOING, &row, 9)?;
    let awaited_standbys: Option<Vec<String>> = value(DOING, &row, 10)?;
    let seconds =
        |seconds: Option<f64>| seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    Ok(Some(WalSample {
        end: lsn(DOING, &row, 0)?.ok_or_else(|| unexpected(DOING, "no position"))?,
        restart_lsn: lsn(DOING, &row, 1)?,
        confirmed_flush_lsn: lsn(DOING, &row, 2)?,
        status: status.map(|text| wal_status(DOING, &text)).transpose()?,
        // -1 means no limit.
        keep_size: keep_size.and_then(|bytes| u64::try_from(bytes).ok()),
        safe_wal_size: value(DOING, &row, 5)?,
        inactive: seconds(inactive),
        // 0 means no limit.
        idle_timeout: seconds(idle_timeout).filter(|timeout| !timeout.is_zero()),
        catalog_xmin_age: catalog_xmin_age.and_then(|age| u64::try_from(age).ok()),
        awaited_standbys: awaited_standbys.unwrap_or_default(),
        max_wal_size: u64::try_from(max_wal_size).map_err(|_| unexpected(DOING, "a negative size"))?,
        directory: if with_directory {
            directory(client).await?
        } else {
            WalDirectory::NotAsked
        },
    }))
}

/// Query with the columns that the version has, and equivalent constants for the others.
fn sql(server_version: u32) -> String {
    let since = |version: u32, column: &'static str, before: &'static str| {
        if server_version >= version { column } else { before }
    };
    format!(
        "SELECT pg_current_wal_lsn()::text, restart_lsn::text, confirmed_flush_lsn::text, {status}, {keep_size}, {safe_size}, \
         {inactive}, {idle_timeout}, age(catalog_xmin)::int8, pg_size_bytes(current_setting('max_wal_size')), {awaited} \
         FROM pg_replication_slots WHERE slot_name = $1",
        status = since(KEEP_SIZE_SINCE, "wal_status", "NULL::text"),
        keep_size = since(
            KEEP_SIZE_SINCE,
            "pg_size_bytes(current_setting('max_slot_wal_keep_size'))",
            "NULL::int8"
        ),
        safe_size = since(KEEP_SIZE_SINCE, "safe_wal_size", "NULL::int8"),
        inactive = since(
            INACTIVE_SINCE,
            "extract(epoch FROM clock_timestamp() - inactive_since)::float8",
            "NULL::float8"
        ),
        idle_timeout = since(
            IDLE_TIMEOUT_SINCE,
            "extract(epoch FROM current_setting('idle_replication_slot_timeout')::interval)::float8",
            "NULL::float8"
        ),
        awaited = since(FAILOVER_SLOTS_SINCE, AWAITED_STANDBYS, "NULL::text[]"),
    )
}

/// Size of `pg_wal`. The privilege is checked first: an error would be written to the server's process log at every check.
pub(super) async fn directory(client: &Client) -> Result<WalDirectory, PostgresError> {
    const DOING: &str = "reading the size of pg_wal";
    let permitted =
        "SELECT current_user::text, has_function_privilege('pg_catalog.pg_ls_waldir()', 'EXECUTE')";
    let row = one(client, DOING, permitted, &[]).await?;
    if !value::<bool>(DOING, &row, 1)? {
        return Ok(WalDirectory::NotPermitted {
            role: value(DOING, &row, 0)?,
        });
    }
    let size = "SELECT coalesce(sum(size), 0)::int8 FROM pg_catalog.pg_ls_waldir()";
    let bytes: i64 = value(DOING, &one(client, DOING, size, &[]).await?, 0)?;
    u64::try_from(bytes)
        .map(WalDirectory::Bytes)
        .map_err(|_| unexpected(DOING, "a negative size"))
}
