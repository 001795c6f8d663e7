//! Slots that hold bookmarks: copies of the connector's slot.

use std::time::Duration;

use tokio_postgres::types::Type;
use walcast_delivery::{BookmarkSample, BookmarkSlot, bookmark_prefix};
use walcast_pgoutput::Lsn;

use super::catalog_row::CatalogRow;
use super::query::{lsn, one, row, rows, unexpected, value};
use super::slot::wal_status;
use super::wal::{IDLE_TIMEOUT_SINCE, INACTIVE_SINCE, KEEP_SIZE_SINCE};
use crate::connect::{Client, SqlSession};
use crate::error::PostgresError;

const DOING: &str = "reading the bookmarks";

/// Copies a slot to a new permanent one. The server copies plugin and positions; it never copies the failover property.
pub(crate) async fn copy_slot(client: &Client, from: &str, to: &str) -> Result<(), PostgresError> {
    const COPYING: &str = "copying the slot";
    let sql = "SELECT slot_name::text FROM pg_copy_logical_replication_slot($1, $2, false)";
    row(client, COPYING, sql, &[(&from, Type::TEXT), (&to, Type::TEXT)]).await?;
    Ok(())
}

/// Bookmarks of the connector with this slot, the oldest first. Slots of another database, of another plugin, and those whose names
/// are not of the connector's bookmarks are none.
pub(crate) async fn bookmarks(
    client: &Client,
    server_version: u32,
    slot: &str,
) -> Result<BookmarkSample, PostgresError> {
    let server = one(client, DOING, &server_sql(server_version), &[(&slot, Type::TEXT)]).await?;
    let prefix = bookmark_prefix(slot);
    let found = rows(
        client,
        DOING,
        &slots_sql(server_version),
        &[(&prefix, Type::TEXT)],
    )
    .await?;
    let mut bookmarks = Vec::new();
    for row in &found {
        bookmarks.extend(bookmark_slot(row)?.into_bookmark(slot));
    }
    let keep_size: Option<i64> = value(DOING, &server, 3)?;
    let idle_timeout: Option<f64> = value(DOING, &server, 4)?;
    let whole = |index: usize| -> Result<u64, PostgresError> {
        let number: i64 = value(DOING, &server, index)?;
        Ok(u64::try_from(number).unwrap_or(0))
    };
    Ok(BookmarkSample {
        end: lsn(DOING, &server, 0)?.ok_or_else(|| unexpected(DOING, "no position"))?,
        now_unix_seconds: whole(1)?,
        free_slots: whole(2)?,
        // -1 means no limit.
        keep_size: keep_size.and_then(|bytes| u64::try_from(bytes).ok()),
        // 0 means no limit.
        idle_timeout: seconds(idle_timeout).filter(|timeout| !timeout.is_zero()),
        source_restart_lsn: lsn(DOING, &server, 5)?,
        bookmarks,
    })
}

/// Position of the oldest bookmark that has its WAL.
pub(crate) async fn oldest_bookmark(session: &SqlSession, slot: &str) -> Result<Option<Lsn>, PostgresError> {
    let found = bookmarks(&session.client, session.server_version, slot).await?;
    Ok(found.oldest())
}

fn bookmark_slot(row: &CatalogRow) -> Result<BookmarkSlot, PostgresError> {
    let status: Option<String> = value(DOING, row, 4)?;
    let inactive: Option<f64> = value(DOING, row, 6)?;
    Ok(BookmarkSlot {
        slot: value(DOING, row, 0)?,
        position: lsn(DOING, row, 1)?,
        restart_lsn: lsn(DOING, row, 2)?,
        active_pid: value(DOING, row, 3)?,
        status: status.map(|text| wal_status(DOING, &text)).transpose()?,
        safe_wal_size: value(DOING, row, 5)?,
        inactive: seconds(inactive),
        invalidation_reason: value(DOING, row, 7)?,
    })
}

fn seconds(seconds: Option<f64>) -> Option<Duration> {
    seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
}

/// Column that servers have since a version, and an equivalent constant for the others.
fn since(server_version: u32, version: u32, column: &'static str, before: &'static str) -> &'static str {
    if server_version >= version { column } else { before }
}

/// A slot whose creation has not ended has no confirmed position yet, and is no source of copies; neither is one that was invalidated.
fn server_sql(server_version: u32) -> String {
    format!(
        "SELECT pg_current_wal_lsn()::text, extract(epoch FROM clock_timestamp())::int8, \
         current_setting('max_replication_slots')::int8 - (SELECT count(*) FROM pg_replication_slots), {keep_size}, {idle_timeout}, \
         (SELECT restart_lsn::text FROM pg_replication_slots WHERE slot_name = $1 AND plugin = 'pgoutput' \
         AND database = current_database() AND NOT temporary AND confirmed_flush_lsn IS NOT NULL {has_wal} {is_valid})",
        has_wal = since(
            server_version,
            KEEP_SIZE_SINCE,
            "AND wal_status IS DISTINCT FROM 'lost'",
            ""
        ),
        // The server keeps restart_lsn of a slot that it invalidates for another reason than removed WAL.
        is_valid = since(
            server_version,
            INACTIVE_SINCE,
            "AND invalidation_reason IS NULL",
            ""
        ),
        keep_size = since(
            server_version,
            KEEP_SIZE_SINCE,
            "pg_size_bytes(current_setting('max_slot_wal_keep_size'))",
            "NULL::int8"
        ),
        idle_timeout = since(
            server_version,
            IDLE_TIMEOUT_SINCE,
            "extract(epoch FROM current_setting('idle_replication_slot_timeout')::interval)::float8",
            "NULL::float8"
        ),
    )
}

fn slots_sql(server_version: u32) -> String {
    format!(
        "SELECT slot_name::text, confirmed_flush_lsn::text, restart_lsn::text, active_pid, {status}, {safe_size}, {inactive}, \
         {invalidation_reason} FROM pg_replication_slots \
         WHERE starts_with(slot_name::text, $1) AND slot_type = 'logical' AND database = current_database() \
         AND plugin = 'pgoutput' AND NOT temporary ORDER BY restart_lsn NULLS FIRST, slot_name",
        status = since(server_version, KEEP_SIZE_SINCE, "wal_status", "NULL::text"),
        safe_size = since(server_version, KEEP_SIZE_SINCE, "safe_wal_size", "NULL::int8"),
        inactive = since(
            server_version,
            INACTIVE_SINCE,
            "extract(epoch FROM clock_timestamp() - inactive_since)::float8",
            "NULL::float8"
        ),
        invalidation_reason = since(
            server_version,
            INACTIVE_SINCE,
            "invalidation_reason::text",
            "NULL::text"
        ),
    )
}
