//! The server itself: cluster, timeline, end of the log.

use tokio_postgres::Client;
use walcast_delivery::{SystemIdentifier, Timeline};
use walcast_pgoutput::Lsn;

use super::query::{lsn, one, unexpected, value};
use crate::error::PostgresError;

/// What an ordinary connection sees of the server it is on.
pub(crate) struct ServerState {
    pub(crate) timeline: Timeline,
    pub(crate) flush_lsn: Lsn,
    pub(crate) database: String,
    pub(crate) wal_level: String,
}

/// Which cluster this is, and whether it follows another.
pub(crate) struct Cluster {
    pub(crate) system_identifier: SystemIdentifier,
    pub(crate) in_recovery: bool,
}

/// Asks which cluster this is.
pub(crate) async fn cluster(client: &Client) -> Result<Cluster, PostgresError> {
    const DOING: &str = "asking for the cluster";
    let sql = "SELECT system_identifier::text, pg_is_in_recovery() FROM pg_control_system()";
    let row = one(client, DOING, sql, &[]).await?;
    let identifier: String = value(DOING, &row, 0)?;
    // The control file's number is unsigned, the function's signed.
    let number: i64 = identifier.parse().map_err(|_| unexpected(DOING, &identifier))?;
    Ok(Cluster {
        system_identifier: SystemIdentifier::new(number.cast_unsigned()),
        in_recovery: value(DOING, &row, 1)?,
    })
}

/// A position at or after the end of everything that was committed so far.
pub(crate) async fn end_of_log(client: &Client) -> Result<Lsn, PostgresError> {
    const DOING: &str = "asking for the end of the log";
    let row = one(client, DOING, "SELECT pg_current_wal_insert_lsn()::text", &[]).await?;
    lsn(DOING, &row, 0)?.ok_or_else(|| unexpected(DOING, "no position"))
}

/// Asks for the end of the log and what lies around it. The control file lags behind after a promotion; the name of the
/// file that is being written does not: its first eight digits are the timeline.
pub(crate) async fn server_state(client: &Client) -> Result<ServerState, PostgresError> {
    const DOING: &str = "asking for the server's state";
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
