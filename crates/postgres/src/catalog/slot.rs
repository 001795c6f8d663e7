//! The slot: its positions, and whether it still retains the WAL that it needs.

use tokio_postgres::types::Type;
use walcast_delivery::{SlotHolder, SlotState, WalStatus};

use super::query::{lsn, row, unexpected, value};
use crate::connect::Client;
use crate::error::PostgresError;

const DOING: &str = "reading the slot";

/// Drops a slot.
pub(crate) async fn drop_slot(client: &Client, name: &str) -> Result<(), PostgresError> {
    const DROPPING: &str = "dropping the slot";
    let sql = "SELECT pg_drop_replication_slot($1)::text";
    row(client, DROPPING, sql, &[(&name, Type::TEXT)]).await?;
    Ok(())
}

/// State of a slot by its name. A session with the current role and `application_name` that uses the slot is one of the connector.
pub(crate) async fn slot(
    client: &Client,
    server_version: u32,
    name: &str,
    application_name: &str,
) -> Result<Option<SlotState>, PostgresError> {
    let parameters = [(&name as _, Type::TEXT), (&application_name as _, Type::TEXT)];
    let Some(row) = row(client, DOING, &sql(server_version), &parameters).await? else {
        return Ok(None);
    };
    let active_pid: Option<i32> = value(DOING, &row, 2)?;
    let holder = match active_pid {
        None => None,
        Some(pid) => Some(SlotHolder {
            pid,
            application_name: value::<Option<String>>(DOING, &row, 11)?.filter(|name| !name.is_empty()),
            client: value(DOING, &row, 12)?,
            is_connector: value(DOING, &row, 13)?,
        }),
    };
    let status: Option<String> = value(DOING, &row, 8)?;
    let retained: Option<i64> = value(DOING, &row, 7)?;
    let restart_lsn = lsn(DOING, &row, 4)?;
    // Version 16 shows only that a slot was invalidated; removed WAL is the one reason that clears `restart_lsn`.
    let invalidated: bool = value(DOING, &row, 9)?;
    let unnamed_reason = match restart_lsn {
        None => "wal_removed",
        Some(_) => "conflicting with recovery",
    };
    let reason: Option<String> = value(DOING, &row, 10)?;
    Ok(Some(SlotState {
        name: name.to_owned(),
        plugin: value(DOING, &row, 0)?,
        database: value(DOING, &row, 1)?,
        active_pid,
        holder,
        confirmed_flush_lsn: lsn(DOING, &row, 3)?,
        restart_lsn,
        temporary: value(DOING, &row, 5)?,
        two_phase: value(DOING, &row, 6)?,
        retained_bytes: retained.and_then(|bytes| u64::try_from(bytes).ok()).unwrap_or(0),
        wal_status: status.map(|text| wal_status(DOING, &text)).transpose()?,
        invalidation_reason: reason.or_else(|| invalidated.then(|| unnamed_reason.to_owned())),
    }))
}

/// Query with the columns that the version's view has, and equivalent constants for the others.
fn sql(server_version: u32) -> String {
    let since = |major: u32, column: &'static str, before: &'static str| {
        if server_version >= major * 10_000 {
            column
        } else {
            before
        }
    };
    format!(
        "SELECT s.plugin::text, s.database::text, s.active_pid, s.confirmed_flush_lsn::text, s.restart_lsn::text, s.temporary, \
         {two_phase}, pg_wal_lsn_diff(pg_current_wal_lsn(), s.restart_lsn)::int8, {wal_status}, \
         {conflicting}, {invalidation_reason}, a.application_name::text, host(a.client_addr), \
         coalesce(a.application_name = $2 AND a.usename = current_user AND a.backend_type = 'walsender', false) \
         FROM pg_replication_slots s LEFT JOIN pg_stat_activity a ON a.pid = s.active_pid WHERE s.slot_name = $1",
        two_phase = since(14, "s.two_phase", "false"),
        wal_status = since(13, "s.wal_status", "NULL::text"),
        conflicting = since(16, "coalesce(s.conflicting, false)", "false"),
        invalidation_reason = since(17, "s.invalidation_reason::text", "NULL::text"),
    )
}

/// `pg_replication_slots.wal_status`.
pub(super) fn wal_status(doing: &'static str, text: &str) -> Result<WalStatus, PostgresError> {
    Ok(match text {
        "reserved" => WalStatus::Reserved,
        "extended" => WalStatus::Extended,
        "unreserved" => WalStatus::Unreserved,
        "lost" => WalStatus::Lost,
        other => return Err(unexpected(doing, other)),
    })
}
