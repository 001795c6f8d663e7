//! Schedule: when existing rows are read, between two sections of the stream.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;
use walcast_mapper::TableName;
use walcast_pgoutput::{Lsn, Oid};

use crate::config::DeliveryConfig;
use crate::ports::snapshots::Snapshot;
use crate::snapshot::config::{SnapshotConfig, SnapshotMode};
use crate::snapshot::progress::{PublishedSince, SnapshotProgress, TableProgress};

/// Tables to be read, and the snapshot to read them from.
pub(crate) struct Schedule<S> {
    /// Remaining tables; no rows are read if there are none.
    pub(super) progress: SnapshotProgress,
    /// Snapshot that the stream has not reached yet.
    snapshot: Option<S>,
    /// Whether that snapshot is the slot's own.
    is_first: bool,
    pub(super) config: SnapshotConfig,
    /// Name of the publication, for messages.
    pub(super) publication: String,
    /// Commit position of the last transaction that the stream has begun to send.
    begun: Lsn,
    /// Last end of WAL that the stream has reported between transactions.
    idle: Lsn,
    /// Whether the server omits changes of a table that was published while a transaction ran: the stream must then be
    /// restarted after that transaction.
    needs_stream_restart: bool,
    /// Whether some table's changes are not certain to be streamed yet. Checked for each change.
    awaits_publishing: bool,
    /// Tables that the connector may not read, each with the time at which reading is tried again.
    denied: BTreeMap<TableName, Instant>,
    /// Time between two attempts to read such a table.
    retry_denied_after: Duration,
}

impl<S: Snapshot> Schedule<S> {
    pub(crate) fn new(
        progress: Option<SnapshotProgress>,
        first: Option<S>,
        config: &DeliveryConfig,
        needs_stream_restart: bool,
    ) -> Self {
        let progress = progress.unwrap_or_default();
        let mut tables = progress.tables.iter();
        Self {
            awaits_publishing: tables.any(|table| table.publishing != PublishedSince::Done),
            progress,
            is_first: first.is_some(),
            snapshot: first,
            config: config.snapshot.clone(),
            publication: config.publication.clone(),
            begun: Lsn::INVALID,
            idle: Lsn::INVALID,
            needs_stream_restart,
            denied: BTreeMap::new(),
            retry_denied_after: config.slot_check_interval,
        }
    }

    /// Whether tables are to be read and there is no snapshot to read them from.
    pub(super) fn needs_snapshot(&self) -> bool {
        self.snapshot.is_none() && self.progress.wants_snapshot() && self.has_permitted()
    }

    /// Whether tables are to be read that the connector may read, as far as it knows.
    fn has_permitted(&self) -> bool {
        let mut tables = self.progress.tables.iter();
        self.denied.is_empty() || tables.any(|table| table.is_shown_at(Lsn::MAX) && !self.is_postponed(table))
    }

    /// Postpones reading a table that the connector may not read.
    pub(super) fn postpone(&mut self, table: &TableName) {
        let retry_at = Instant::now() + self.retry_denied_after;
        self.denied.insert(table.clone(), retry_at);
    }

    /// Whether reading a table is postponed.
    pub(super) fn is_postponed(&self, table: &TableProgress) -> bool {
        !self.denied.is_empty()
            && self
                .denied
                .get(&table.table())
                .is_some_and(|retry_at| Instant::now() < *retry_at)
    }

    /// Time at which a postponed table is tried again.
    pub(super) fn next_retry(&self) -> Option<Instant> {
        let now = Instant::now();
        self.denied
            .values()
            .filter(|retry_at| now < **retry_at)
            .min()
            .copied()
    }

    /// Whether all rows are read and no changes are to be streamed after them.
    pub(super) fn is_last_task_done(&self) -> bool {
        self.progress.tables.is_empty() && self.config.mode == SnapshotMode::InitialOnly
    }

    /// Registers the begin of a transaction with its commit record at `commit_lsn`. True if rows must be read before
    /// it.
    pub(super) fn is_due_before(&mut self, commit_lsn: Lsn) -> bool {
        let due = self
            .snapshot
            .as_ref()
            .is_some_and(|snapshot| snapshot.lsn() <= commit_lsn);
        self.begun = self.begun.max(commit_lsn);
        due
    }

    /// Registers that the stream has sent all changes up to `lsn`. True if rows must be read now.
    pub(super) fn is_due_at(&mut self, lsn: Lsn) -> bool {
        self.idle = self.idle.max(lsn);
        self.snapshot
            .as_ref()
            .is_some_and(|snapshot| snapshot.lsn() <= self.idle)
    }

    /// Whether a change is withheld. A server that omits some changes of a table may omit the delete of a row whose
    /// insert it sent; the rows that are read later are the result of all changes.
    #[inline]
    pub(super) fn holds_back(&self, table: impl FnOnce() -> Option<TableName>) -> bool {
        self.needs_stream_restart
            && self.awaits_publishing
            && table()
                .and_then(|table| self.progress.find(&table).map(|one| one.publishing))
                .is_some_and(|publishing| publishing != PublishedSince::Done)
    }

    /// Whether the stream must be restarted for tables that were published while a transaction ran.
    pub(super) fn needs_stream_restart(&self) -> bool {
        self.needs_stream_restart
    }

    /// Keeps a snapshot until the stream reaches it. False if the stream has passed it.
    pub(super) fn accept(&mut self, snapshot: S) -> bool {
        let is_passed = self.begun >= snapshot.lsn();
        if !is_passed {
            self.snapshot = Some(snapshot);
        }
        !is_passed
    }

    /// Snapshot that the stream has reached.
    pub(super) fn take_snapshot(&mut self) -> Option<S> {
        self.snapshot.take()
    }

    /// Adds partitions that were attached to a table, and that snapshots at or after `since` show.
    pub(super) fn await_attached(&mut self, table: &TableName, partitions: &[Oid], since: Lsn) {
        self.progress.await_attached(table, partitions, since);
    }

    /// Adds a table that is published now, or about to be.
    pub(super) fn await_publishing(&mut self, table: &TableName, publishing: PublishedSince) {
        self.progress.await_publishing(
            table,
            publishing,
            self.config.fills(table),
            self.needs_stream_restart,
            true,
        );
        self.awaits_publishing = true;
    }

    /// Progress in the form that a checkpoint stores.
    pub(super) fn stored(&self) -> Option<SnapshotProgress> {
        self.progress.clone().into_stored()
    }

    /// Maximum time for which the stream is held for the next snapshot.
    pub(super) fn next_window(&mut self) -> Duration {
        if std::mem::take(&mut self.is_first) {
            self.config.initial_hold_max
        } else {
            self.config.hold_max
        }
    }

    /// Whether some table has been published since a position that the stream has reached at `lsn`.
    pub(super) fn publishing_ends(&self, lsn: Lsn) -> bool {
        let mut tables = self.progress.tables.iter();
        tables.any(|table| matches!(table.publishing, PublishedSince::Since(since) if since <= lsn))
    }

    /// Marks the tables whose changes are all streamed from `lsn` on.
    pub(super) fn end_publishing(&mut self, lsn: Lsn) {
        self.progress.end_publishing(lsn);
        if self.progress.tables.is_empty() {
            self.progress = SnapshotProgress::default();
        }
    }
}
