//! Locks of the table that is being read.
//!
//! Each reading session locks the table in mode `ACCESS SHARE` before it reads rows, so that a statement that waits for the table cannot
//! come between two sessions. The locks belong to a savepoint and are released with it: the transaction of the snapshot lasts longer.

use walcast_delivery::ChosenRows;
use walcast_delivery::sql::table as quoted;
use walcast_mapper::TableName;

use crate::catalog::{TableDescription, add_sizes, check_names, execute, table_description};
use crate::connect::{Client, SqlSession};
use crate::error::PostgresError;

const LOCKING: &str = "locking a table to be read";

const UNDEFINED_TABLE: &str = "42P01";
const INVALID_SCHEMA: &str = "3F000";
const INSUFFICIENT_PRIVILEGE: &str = "42501";

/// Outcome of locking a table.
pub(super) enum Locked {
    /// The table, which cannot be altered until the savepoint is rolled back.
    Table(TableDescription),
    /// The snapshot has no such table.
    Missing,
    /// The table was altered or dropped after the snapshot was taken, or a statement that may do so holds or awaits its lock.
    Altered,
}

/// Sets the savepoint to which the locks of a table will belong.
pub(super) async fn set_savepoint(sessions: &[SqlSession]) -> Result<(), PostgresError> {
    for session in sessions {
        execute(&session.client, LOCKING, "SAVEPOINT walcast_table").await?;
    }
    Ok(())
}

/// Releases the locks.
pub(super) async fn roll_back(sessions: &[SqlSession]) -> Result<(), PostgresError> {
    let sql = "ROLLBACK TO SAVEPOINT walcast_table; RELEASE SAVEPOINT walcast_table";
    for session in sessions {
        execute(&session.client, LOCKING, sql).await?;
    }
    Ok(())
}

/// Locks a table in all sessions, and compares it with the table that `server`, a session outside of the snapshot, sees.
pub(super) async fn lock(
    sessions: &[SqlSession],
    server: &SqlSession,
    publication: &str,
    table: &TableName,
    chosen: ChosenRows<'_>,
) -> Result<Locked, PostgresError> {
    match try_lock(sessions, server, publication, table, chosen).await {
        Err(error) if error.is_lock_unavailable() => Ok(Locked::Altered),
        locked => locked,
    }
}

async fn try_lock(
    sessions: &[SqlSession],
    server: &SqlSession,
    publication: &str,
    table: &TableName,
    chosen: ChosenRows<'_>,
) -> Result<Locked, PostgresError> {
    let first = sessions.first().ok_or(PostgresError::NotLeading)?;
    let version = server.server_version;
    let Some(mut seen) = table_description(&first.client, version, publication, table).await? else {
        return Ok(Locked::Missing);
    };
    seen.parts.retain(|part| chosen.include(part.oid));
    check_names(&first.client, &seen, None).await?;
    for session in sessions {
        if !lock_parts(&session.client, &seen).await? {
            return Ok(Locked::Altered);
        }
    }
    // It may have been altered since the snapshot was taken.
    let now = table_description(&server.client, version, publication, table).await?;
    let is_unaltered = now.is_some_and(|now| is_same(&seen, &now) && !lacks_chosen(&seen, &now, chosen));
    if !is_unaltered {
        return Ok(Locked::Altered);
    }
    add_sizes(&first.client, &mut seen).await?;
    Ok(Locked::Table(seen))
}

/// Locks the tables that store the rows; false when one does not exist any more.
async fn lock_parts(client: &Client, table: &TableDescription) -> Result<bool, PostgresError> {
    for part in &table.parts {
        let name = quoted(&part.name);
        let sql = format!("LOCK TABLE ONLY {name} IN ACCESS SHARE MODE");
        let Err(error) = execute(client, LOCKING, &sql).await else {
            continue;
        };
        return match error.server_error().map(|error| error.code.as_str()) {
            Some(UNDEFINED_TABLE | INVALID_SCHEMA) => Ok(false),
            Some(INSUFFICIENT_PRIVILEGE) => Err(PostgresError::ReadDenied {
                table: name,
                source: Box::new(error),
            }),
            _ => Err(error),
        };
    }
    Ok(true)
}

/// Whether the table is still as the snapshot describes it. Partitions may have been added.
fn is_same(seen: &TableDescription, now: &TableDescription) -> bool {
    seen.relation == now.relation && seen.parts.iter().all(|part| now.parts.contains(part))
}

/// Whether the snapshot does not show partitions that were chosen, because they were attached later.
fn lacks_chosen(seen: &TableDescription, now: &TableDescription, chosen: ChosenRows<'_>) -> bool {
    let is_seen = |oid| seen.parts.iter().any(|part| part.oid == oid);
    let mut later = now.parts.iter().filter(|part| !is_seen(part.oid));
    matches!(chosen, ChosenRows::Partitions(_)) && later.any(|part| chosen.include(part.oid))
}
