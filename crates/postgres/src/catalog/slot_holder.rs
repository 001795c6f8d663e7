//! Walsender that streams from the slot.

use tokio_postgres::types::Type;

use super::query::{row, value};
use crate::connect::Client;
use crate::error::PostgresError;

/// Walsender that streams from a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SlotHolder {
    /// Process ID of the walsender.
    pub(crate) pid: i32,
    /// Whether the walsender serves an instance of the same connector: the same role and application name.
    pub(crate) is_ours: bool,
}

/// Walsender that streams from a slot now, if there is one.
pub(crate) async fn slot_holder(
    client: &Client,
    slot: &str,
    application_name: &str,
) -> Result<Option<SlotHolder>, PostgresError> {
    const DOING: &str = "looking up the walsender of the slot";
    // The view hides sessions that the role may not see; those are not ours.
    let sql = "SELECT s.active_pid, \
               coalesce(a.application_name = $2 AND a.usename = current_user AND a.backend_type = 'walsender', false) \
               FROM pg_replication_slots s LEFT JOIN pg_stat_activity a ON a.pid = s.active_pid \
               WHERE s.slot_name = $1 AND s.active_pid IS NOT NULL";
    let parameters = [(&slot as _, Type::TEXT), (&application_name as _, Type::TEXT)];
    let Some(row) = row(client, DOING, sql, &parameters).await? else {
        return Ok(None);
    };
    Ok(Some(SlotHolder {
        pid: value(DOING, &row, 0)?,
        is_ours: value(DOING, &row, 1)?,
    }))
}

/// Terminates a walsender, if it still holds the slot.
pub(crate) async fn terminate_walsender(client: &Client, slot: &str, pid: i32) -> Result<(), PostgresError> {
    const DOING: &str = "terminating the walsender of an earlier instance";
    let sql = "SELECT pg_terminate_backend(active_pid)::text FROM pg_replication_slots \
               WHERE slot_name = $1 AND active_pid = $2";
    row(client, DOING, sql, &[(&slot, Type::TEXT), (&pid, Type::INT4)]).await?;
    Ok(())
}
