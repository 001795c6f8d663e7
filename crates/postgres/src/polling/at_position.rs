//! Rows of outboxes as of one position: those of the transactions whose commit records lie before it.
//!
//! The snapshot of a temporary slot shows exactly these rows. A session with the snapshot reads their keys with a cursor, in the order of
//! the outbox, and another one locks and marks the rows, as a worker does. A row that is not to be sent any more by then, because it was
//! marked or deleted meanwhile, is passed over; one that another session has locked is waited for.
//!
//! The snapshot of a slot follows the WAL, and that of any other session follows a moment later: with synchronous replication, once a
//! standby has confirmed the commit. Rows are locked only once both show them, or else such a row would seem to have been deleted.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;
use tracing::info;
use walcast_delivery::sql::literal;
use walcast_delivery::{
    BoxedPortError, ClaimedRows, HashRange, PolledClaims, PolledTable, RowKey, SlotCreationState,
};
use walcast_pgoutput::{Lsn, Oid, PgTimestamp};

use super::claims::{PostgresClaims, wanted};
use super::statements::Statements;
use super::transaction::{self, Texts};
use crate::catalog::execute;
use crate::config::PostgresConfig;
use crate::connect::{SqlSession, TIMEOUTS, VALUE_SETTINGS};
use crate::encoding::OwnConversion;
use crate::error::PostgresError;
use crate::leader_session::{LeaderSession, open_replication};
use crate::primary::connect_primary;
use crate::replication::{ExportedSnapshot, SlotKind};
use crate::slot_creation::SlotCreationObserver;

const DOING: &str = "reading the rows of an outbox as of a position";

/// Length of the name of the connector's slot that the name of the temporary slot begins with.
const SLOT_BYTES: usize = 20;

/// Pause before transactions are looked up again whose commits other sessions do not see yet.
const PAUSE: Duration = Duration::from_millis(50);

/// Claims the rows of one position.
pub struct PostgresRowsAtPosition {
    position: Lsn,
    /// Session with the snapshot. Its locks keep the outboxes from being dropped or renamed.
    snapshot: SqlSession,
    claims: PostgresClaims,
    tables: BTreeMap<Oid, Remaining>,
}

/// Rows of an outbox that were read and not claimed yet.
#[derive(Debug, Default)]
struct Remaining {
    has_cursor: bool,
    rows: Vec<Texts>,
}

impl PostgresRowsAtPosition {
    /// Takes the snapshot, and returns its position. `streaming` is the configuration of the stream that begins there. `reading` and
    /// `claims` are sessions of the configuration that polls, and so of a role that may read the outboxes.
    pub(super) async fn take(
        streaming: &PostgresConfig,
        reading: SqlSession,
        claims: PostgresClaims,
    ) -> Result<(Lsn, Self), PostgresError> {
        let mut config = streaming.clone();
        let slot = config.slot.get(..SLOT_BYTES).unwrap_or(&config.slot);
        config.slot = format!("{slot}_move");
        let (session, system_identifier) = connect_primary(&config).await?;
        let leader = LeaderSession {
            session: Arc::new(session),
            system_identifier,
            own_conversion: OwnConversion::switched_on(),
        };
        let mut replication = open_replication(&config, &leader).await?;
        let observer =
            SlotCreationObserver::new(Arc::clone(&leader.session.client), SlotCreationState::default());
        let version = leader.session.server_version;
        let name = format!("{}_{}", config.slot, std::process::id());
        let ExportedSnapshot {
            consistent_point,
            snapshot,
        } = replication
            .create_slot(&name, SlotKind::Temporary, true, version, observer)
            .await?;
        let snapshot = snapshot.ok_or_else(|| PostgresError::UnexpectedAnswer {
            doing: DOING,
            answer: "a slot without snapshot".to_owned(),
        })?;
        // The imported snapshot outlives the slot, which ends with its connection. Only a session of the same database of the same server
        // can import it.
        execute(
            &reading.client,
            DOING,
            &importing(&snapshot, reading.server_version),
        )
        .await?;
        reading.client.stay_in_transaction();
        await_visible(claims.session(), &own_snapshot(&reading).await?).await?;
        let rows = Self {
            position: consistent_point,
            snapshot: reading,
            claims,
            tables: BTreeMap::new(),
        };
        Ok((consistent_point, rows))
    }

    async fn next(&mut self, table: &PolledTable) -> Result<ClaimedRows, PostgresError> {
        let statements = self.claims.statements(table)?;
        let remaining = self.tables.entry(table.relation.oid).or_default();
        let mut claimed = ClaimedRows {
            lsn: Lsn::INVALID,
            read_at: PgTimestamp::now(),
            rows: Vec::new(),
            is_waiting: false,
        };
        loop {
            if remaining.rows.is_empty() {
                remaining.read(&self.snapshot, &statements).await?;
            }
            let (keys, _) = wanted(remaining.rows.clone(), statements.key_columns())?;
            let Some(first) = keys.first() else {
                return Ok(claimed);
            };
            claimed.rows = self.claims.lock(table, &keys).await?;
            if !claimed.rows.is_empty() {
                // Not the end of WAL: commits between it and the position are in the stream, behind these rows.
                claimed.lsn = self.position;
                remaining.rows.drain(..claimed.rows.len());
                return Ok(claimed);
            }
            if self.claims.is_pending(table, first).await? {
                claimed.is_waiting = true;
                return Ok(claimed);
            }
            remaining.rows.remove(0);
        }
    }
}

impl Remaining {
    /// Reads further rows. Without a time limit: without an index, the first ones are known once all of them are sorted.
    async fn read(&mut self, snapshot: &SqlSession, statements: &Statements) -> Result<(), PostgresError> {
        if !self.has_cursor {
            execute(&snapshot.client, DOING, &statements.declare_cursor()).await?;
            self.has_cursor = true;
            // The cursor keeps a lock from here on. The rows of a file that replaced another one since are newer than the snapshot.
            let rewritten = transaction::texts(&snapshot.client, DOING, &statements.rewritten()).await?;
            if !rewritten.is_empty() {
                return Err(PostgresError::UnexpectedAnswer {
                    doing: DOING,
                    answer: format!(
                        "{} was rewritten or truncated meanwhile, so that the rows of the position are not known; repeat the command",
                        statements.table
                    ),
                });
            }
        }
        self.rows = transaction::unlimited_texts(&snapshot.client, DOING, &statements.fetch()).await?;
        let oid = Some(statements.oid.as_u32().to_string());
        if self.rows.iter().any(|row| row.last() != Some(&oid)) {
            return Err(PostgresError::TableReplaced {
                table: statements.table.clone(),
            });
        }
        Ok(())
    }
}

/// Snapshot of the transaction of a session.
async fn own_snapshot(session: &SqlSession) -> Result<String, PostgresError> {
    let sql = "SELECT pg_catalog.txid_current_snapshot()";
    let rows = transaction::texts(&session.client, DOING, sql).await?;
    let snapshot = rows.into_iter().flatten().flatten().next();
    snapshot.ok_or_else(|| PostgresError::UnexpectedAnswer {
        doing: DOING,
        answer: "no snapshot".to_owned(),
    })
}

/// Waits until another session sees every commit that a snapshot shows.
async fn await_visible(session: &SqlSession, snapshot: &str) -> Result<(), PostgresError> {
    let sql = unseen(snapshot);
    let mut is_logged = false;
    loop {
        let unseen = transaction::texts(&session.client, DOING, &sql).await?;
        if unseen.is_empty() {
            return Ok(());
        }
        if !is_logged {
            let transactions = unseen.len();
            info!(
                transactions,
                "waiting for commits before the position that other sessions do not see yet: a synchronous standby may have to confirm them"
            );
            is_logged = true;
        }
        sleep(PAUSE).await;
    }
}

/// Transactions that run for other sessions, and whose commits a snapshot shows. The snapshot of another session lists only those that run
/// before the last one that has ended for it.
fn unseen(snapshot: &str) -> String {
    let snapshot = format!("{}::pg_catalog.txid_snapshot", literal(snapshot));
    format!(
        "WITH now AS MATERIALIZED (SELECT pg_catalog.txid_current_snapshot() AS seen) \
         SELECT running FROM now, pg_catalog.txid_snapshot_xip(seen) AS running \
         WHERE pg_catalog.txid_visible_in_snapshot(running, {snapshot}) \
         UNION ALL SELECT running FROM now, pg_catalog.generate_series(pg_catalog.txid_snapshot_xmax(seen), \
         pg_catalog.txid_snapshot_xmax({snapshot}) - 1) AS running \
         WHERE pg_catalog.txid_visible_in_snapshot(running, {snapshot})"
    )
}

/// Statements that begin a transaction with a snapshot. It lasts as long as Kafka takes to store the events.
fn importing(snapshot: &str, server_version: u32) -> String {
    let mut sql = format!(
        "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET TRANSACTION SNAPSHOT {}; SET LOCAL search_path = pg_catalog; \
         SET LOCAL row_security = off; SET LOCAL standard_conforming_strings = on",
        literal(snapshot)
    );
    for (_, name) in TIMEOUTS.iter().filter(|(since, _)| server_version >= *since) {
        sql.push_str(&format!("; SET LOCAL {name} = 0"));
    }
    for (name, value) in VALUE_SETTINGS {
        sql.push_str(&format!("; SET LOCAL {name} = {}", literal(value)));
    }
    sql
}

impl PolledClaims for PostgresRowsAtPosition {
    /// One worker sends all rows, so that the range is that of every key.
    async fn claim(&mut self, table: &PolledTable, _: HashRange) -> Result<ClaimedRows, BoxedPortError> {
        Ok(self.next(table).await?)
    }

    async fn mark(&mut self, table: &PolledTable, keys: &[RowKey]) -> Result<(), BoxedPortError> {
        self.claims.mark(table, keys).await
    }
}

impl fmt::Debug for PostgresRowsAtPosition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresRowsAtPosition")
            .field("tables", &self.tables.len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::{importing, unseen};

    #[test]
    fn transactions_are_awaited_that_the_snapshot_shows_and_other_sessions_do_not() {
        assert_eq!(
            unseen("700:705:701,703"),
            "WITH now AS MATERIALIZED (SELECT pg_catalog.txid_current_snapshot() AS seen) \
             SELECT running FROM now, pg_catalog.txid_snapshot_xip(seen) AS running WHERE \
             pg_catalog.txid_visible_in_snapshot(running, '700:705:701,703'::pg_catalog.txid_snapshot) \
             UNION ALL SELECT running FROM now, pg_catalog.generate_series(pg_catalog.txid_snapshot_xmax(seen), \
             pg_catalog.txid_snapshot_xmax('700:705:701,703'::pg_catalog.txid_snapshot) - 1) AS running WHERE \
             pg_catalog.txid_visible_in_snapshot(running, '700:705:701,703'::pg_catalog.txid_snapshot)"
        );
    }

    #[test]
    fn the_snapshot_is_imported_before_the_first_query() {
        let sql = importing("00000003-0000001B-1", 170_000);
        let mut statements = sql.split("; ");
        assert_eq!(
            statements.next(),
            Some("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        );
        assert_eq!(
            statements.next(),
            Some("SET TRANSACTION SNAPSHOT '00000003-0000001B-1'")
        );
        assert!(
            statements.all(|statement| statement.starts_with("SET LOCAL ")),
            "{sql}"
        );
    }
}
