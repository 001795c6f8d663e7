//! The stream of an instance that led before.

use tokio_postgres::Client;
use tokio_postgres::types::Type;

use super::query::{row, value};
use crate::error::PostgresError;

/// Who streams from a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Holder {
    /// The server's process.
    pub(crate) pid: i32,
    /// Whether it serves an instance of the same connector: the same role, under the same application name.
    pub(crate) is_ours: bool,
}

/// Who streams from a slot now, if anybody does.
pub(crate) async fn holder(
    client: &Client,
    slot: &str,
    application_name: &str,
) -> Result<Option<Holder>, PostgresError> {
    const DOING: &str = "looking for who streams from the slot";
    // The view leaves out what the role may not see, and then it is not ours.
    let sql = "SELECT s.active_pid, \
               coalesce(a.application_name = $2 AND a.usename = current_user AND a.backend_type = 'walsender', false) \
               FROM pg_replication_slots s LEFT JOIN pg_stat_activity a ON a.pid = s.active_pid \
               WHERE s.slot_name = $1 AND s.active_pid IS NOT NULL";
    let parameters = [(&slot as _, Type::TEXT), (&application_name as _, Type::TEXT)];
    let Some(row) = row(client, DOING, sql, &parameters).await? else {
        return Ok(None);
    };
    Ok(Some(Holder {
        pid: value(DOING, &row, 0)?,
        is_ours: value(DOING, &row, 1)?,
    }))
}

/// Ends a stream, if it is still the one that holds the slot.
pub(crate) async fn end_stream(client: &Client, slot: &str, pid: i32) -> Result<(), PostgresError> {
    const DOING: &str = "ending the stream of an earlier instance";
    let sql = "SELECT pg_terminate_backend(active_pid)::text FROM pg_replication_slots \
               WHERE slot_name = $1 AND active_pid = $2";
    row(client, DOING, sql, &[(&slot, Type::TEXT), (&pid, Type::INT4)]).await?;
    Ok(())
}
