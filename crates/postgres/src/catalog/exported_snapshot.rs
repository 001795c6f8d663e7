//! Export of the snapshot of a transaction.

use walcast_pgoutput::Lsn;

use super::query::{lsn, one, unexpected, value};
use crate::connect::Client;
use crate::error::PostgresError;

/// Snapshot that a transaction has exported, and a position for it.
pub(crate) struct ExportedPosition {
    /// Name by which other sessions import the snapshot.
    pub(crate) snapshot: String,
    /// Position at or after the end of every transaction that the snapshot sees.
    pub(crate) lsn: Lsn,
}

/// The position is read after the snapshot was taken. A standby may make a transaction visible before it reports the end of its
/// commit record as replayed, but not before it has received that record. `pg_last_wal_receive_lsn()` is null without streaming
/// replication; the position is then that of the replay alone.
const SQL: &str = "SELECT pg_export_snapshot(), \
                   CASE WHEN pg_is_in_recovery() \
                   THEN greatest(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn()) \
                   ELSE pg_current_wal_insert_lsn() END::text";

/// Exports the snapshot of the transaction in which the client is.
pub(crate) async fn export_snapshot(client: &Client) -> Result<ExportedPosition, PostgresError> {
    const DOING: &str = "exporting a snapshot";
    let row = one(client, DOING, SQL, &[]).await?;
    Ok(ExportedPosition {
        snapshot: value(DOING, &row, 0)?,
        lsn: lsn(DOING, &row, 1)?.ok_or_else(|| unexpected(DOING, "no position"))?,
    })
}
