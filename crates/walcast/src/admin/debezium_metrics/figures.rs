//! Figures of a connector of which the metrics of Debezium are made.

use std::fmt;
use std::time::Duration;

use crate::admin::changes::{self, Counts};
use crate::connector_handle::ConnectorHandle;

/// Figures at the time of a scrape.
#[derive(Debug)]
pub(super) struct Figures {
    /// Inserted rows.
    pub(super) created: u64,
    /// Updated rows.
    pub(super) updated: u64,
    /// Deleted rows.
    pub(super) deleted: u64,
    /// Truncated tables.
    truncated: u64,
    /// Existing rows.
    pub(super) snapshot_rows: u64,
    /// Dead letters.
    pub(super) dead_letters: u64,
    /// Delivered transactions.
    pub(super) transactions: u64,
    /// Lag behind the source.
    pub(super) lag: Duration,
    /// Time since the last delivery of a transaction.
    pub(super) since_last: Option<Duration>,
    /// Whether the connector streams.
    pub(super) is_streaming: bool,
    /// Tables whose rows are read, or were read since reading last began.
    pub(super) tables: u64,
    /// Tables whose rows are still to be read.
    pub(super) tables_remaining: u64,
    /// Whether reading is paused.
    pub(super) is_paused: bool,
}

impl Figures {
    /// Figures of a connector.
    pub(super) fn of(connector: &ConnectorHandle) -> Result<Self, fmt::Error> {
        let (state, metrics) = (&connector.state, &connector.metrics);
        let changes = changes::by_table(&metrics.changes)?;
        let letters = changes::dead_letters_by_table(&metrics.dead_letters)?;
        let snapshot = state.snapshot.read();
        let remaining = snapshot.tables.len();
        Ok(Self {
            created: of_kind(&changes, "insert"),
            updated: of_kind(&changes, "update"),
            deleted: of_kind(&changes, "delete"),
            truncated: of_kind(&changes, "truncate"),
            snapshot_rows: metrics.snapshot_rows.get(),
            dead_letters: letters.values().flat_map(|table| table.values()).sum(),
            transactions: metrics.transactions.get(),
            lag: state.lag().time,
            since_last: state.pending.since_last_delivery(),
            is_streaming: state.status.is_streaming(),
            tables: count(remaining.saturating_add(snapshot.tables_done)),
            tables_remaining: count(remaining),
            is_paused: snapshot.paused && remaining > 0,
        })
    }

    /// Changes of every operation.
    pub(super) fn changes(&self) -> u64 {
        self.created + self.updated + self.deleted + self.truncated
    }

    /// Whether rows are to be read, and reading is not paused.
    pub(super) fn is_reading(&self) -> bool {
        self.tables_remaining > 0 && !self.is_paused
    }

    /// Whether rows were read, and none are left.
    pub(super) fn has_read(&self) -> bool {
        self.tables > 0 && self.tables_remaining == 0
    }
}

/// Number of changes of an operation, of all tables.
fn of_kind(changes: &Counts, operation: &str) -> u64 {
    changes.values().filter_map(|table| table.get(operation)).sum()
}

fn count(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}
