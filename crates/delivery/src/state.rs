//! State of a connector as typed values. Sessions and the slot monitor write it; the admin port, the slot monitor and the
//! gauges of `/metrics` read it.

pub(crate) mod dead_letters;
pub(crate) mod outbox_topics;
pub(crate) mod outboxes;
pub(crate) mod pending;
pub(crate) mod positions;
pub(crate) mod role;
pub(crate) mod schemas;
pub(crate) mod status;
pub(crate) mod tables;
pub(crate) mod transactions;

use std::collections::BTreeMap;
use std::time::Duration;

use walcast_mapper::TableName;
use walcast_pgoutput::PgTimestamp;

use crate::blocking_transaction::SlotCreationState;
use crate::bookmarks::state::BookmarkState;
use crate::drift::DriftState;
use crate::event_stores::state::EventStoresState;
use crate::partitions::notices::PartitionNotices;
use crate::polling::backlog::BacklogState;
use crate::slot_monitor::state::WalState;
use crate::snapshot::status::SnapshotStatus;
use crate::state::dead_letters::DeadLettersState;
use crate::state::outbox_topics::OutboxTopics;
use crate::state::outboxes::{OutboxView, OutboxesState};
use crate::state::pending::PendingState;
use crate::state::positions::PositionState;
use crate::state::role::RoleState;
use crate::state::schemas::SchemasState;
use crate::state::status::StatusState;
use crate::state::tables::{TableState, TablesState};
use crate::state::transactions::TransactionsState;

/// State of a connector. Clones share the state.
#[derive(Clone, Debug, Default)]
pub struct ConnectorState {
    /// What the connector does, and the error that keeps it from streaming.
    pub status: StatusState,
    /// Role of this instance, its takeovers, and a session that keeps it from leading.
    pub role: RoleState,
    /// Transactions that the creation of a slot waits for.
    pub slot_creation: SlotCreationState,
    /// Positions of the current or last session, and the end of the server's WAL.
    pub positions: PositionState,
    /// Transactions that wait for their delivery.
    pub pending: PendingState,
    /// Samples of the WAL that the slot retains.
    pub wal: WalState,
    /// Bookmarks.
    pub bookmarks: BookmarkState,
    /// Outboxes: events that wait, and clean-up.
    pub outboxes: OutboxesState,
    /// Publication drift.
    pub drift: DriftState,
    /// Changes of partitions for which Postgres publishes nothing.
    pub partitions: PartitionNotices,
    /// Violations of event stores.
    pub event_stores: EventStoresState,
    /// Progress of reading existing rows.
    pub snapshot: SnapshotStatus,
    /// Captured tables, and which of them are quarantined.
    pub tables: TablesState,
    /// Topics to which events of outboxes were sent.
    pub outbox_topics: OutboxTopics,
    /// Backlogs of outboxes that are polled.
    pub backlog: BacklogState,
    /// The last delivered transactions.
    pub transactions: TransactionsState,
    /// The last dead letters.
    pub dead_letters: DeadLettersState,
    /// Topics and schemas of tables.
    pub schemas: SchemasState,
}

/// Lag of a connector behind its server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lag {
    /// Bytes of WAL between the checkpoint and the end of the server's WAL; 0 while one of them is not known.
    pub bytes: u64,
    /// Age of the oldest transaction that waits, or the delay of the last delivered one; zero when nothing waits.
    pub time: Duration,
}

impl ConnectorState {
    /// State of each captured table.
    #[must_use]
    pub fn table_states(&self) -> BTreeMap<TableName, TableState> {
        let view = self.snapshot.read();
        let reading = view.tables.iter().map(|table| &table.table);
        self.tables.read(reading, self.status.is_streaming())
    }

    /// Outboxes, each with the age that its oldest event outside of Kafka has at most: that of the oldest transaction that waits.
    #[must_use]
    pub fn outbox_views(&self) -> Vec<(TableName, OutboxView, Duration)> {
        let lag = self.lag().time;
        let may_wait = !self.status.is_streaming() || !self.positions.is_at_server_end();
        let views = self.outboxes.read().into_iter();
        views
            .map(|(table, view)| {
                let waits = may_wait || view.pending > 0;
                (table, view, if waits { lag } else { Duration::ZERO })
            })
            .collect()
    }

    /// Current lag.
    #[must_use]
    pub fn lag(&self) -> Lag {
        Lag {
            bytes: self.positions.read().lag_bytes(),
            time: self.pending.lag(PgTimestamp::now()),
        }
    }
}
