//! The server: cluster, timeline and end of WAL.

use walcast_delivery::{SystemIdentifier, Timeline};
use walcast_pgoutput::Lsn;

use super::query::{lsn, one, unexpected, value};
use crate::connect::Client;
use crate::error::PostgresError;

/// State of the server of a connection.
pub(crate) struct ServerState {
    pub(crate) timeline: Timeline,
    pub(crate) flush_lsn: Lsn,
    pub(crate) database: String,
    pub(crate) wal_level: String,
}

/// Cluster of a server, and whether the server is a standby.
pub(crate) struct Cluster {
    pub(crate) system_identifier: SystemIdentifier,
    pub(crate) in_recovery: bool,
}

/// Identifies the cluster.
pub(crate) async fn cluster(client: &Client) -> Result<Cluster, PostgresError> {
    const DOING: &str = "identifying the cluster";
    let sql = "SELECT system_identifier::text, pg_is_in_recovery() FROM pg_control_system()";
    let row = one(client, DOING, sql, &[]).await?;
    let identifier: String = value(DOING, &row, 0)?;
    // The number is unsigned in the control file and signed in the function's result.
    let number: i64 = identifier.parse().map_err(|_| unexpected(DOING, &identifier))?;
    Ok(Cluster {
        system_identifier: SystemIdentifier::new(number.cast_unsigned()),
        in_recovery: value(DOING, &row, 1)?,
    })
}

/// `pg_current_wal_insert_lsn()`: a position at or after the end of every transaction that has committed.
pub(crate) async fn wal_insert_lsn(client: &Client) -> Result<Lsn, PostgresError> {
    const DOING: &str = "reading the end of WAL";
    let row = one(client, DOING, "SELECT pg_current_wal_insert_lsn()::text", &[]).await?;
    lsn(DOING, &row, 0)?.ok_or_else(|| unexpected(DOING, "no position"))
}

/// Reads the state of the server. The timeline is taken from the first eight digits of the current WAL file's name, because the
/// control file lags behind after a promotion.
pub(crate) async fn server_state(client: &Client) -> Result<ServerState, PostgresError> {
    const DOING: &str = "reading the server's state";
    let sql = "SELECT left(pg_walfile_name(pg_current_wal_lsn()), 8), pg_current_wal_flush_lsn()::text, \
               current_database()::text, current_setting('wal_level')";
    let row = one(client, DOING, sql, &[]).await?;
    let digits: String = value(DOING, &row, 0)?;
    let timeline = u32::from_str_radix(&digits, 16).map_err(|_| unexpected(DOING, &digits))?;
    Ok(ServerState {
        timeline: Timeline::new(timeline),
        flush_lsn: lsn(DOING, &row, 1)?.ok_or_else(|| unexpected(DOING, "no position"))?,
        database: value(DOING, &row, 2)?,
        wal_level: value(DOING, &row, 3)?,
    })
}
