//! Outboxes, for observers: events that wait for their delivery, clean-up, and whether all rows of a table are delivered.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use walcast_mapper::TableName;
use walcast_pgoutput::{Oid, PgTimestamp};

use crate::partitions::change::{PartitionChange, PartitionChangeKind};

/// Numbers of events of outboxes that were read.
pub(crate) type OutboxCounts = BTreeMap<TableName, u64>;

/// Outboxes of a connector. Clones share the state.
#[derive(Clone, Debug, Default)]
pub struct OutboxesState(Arc<Mutex<Outboxes>>);

#[derive(Debug, Default)]
struct Outboxes {
    tables: BTreeMap<TableName, Outbox>,
    /// OIDs of the tables of which every row is delivered, except for those that were inserted after the checkpoint.
    complete: BTreeSet<u32>,
    /// Changes of `complete` that no checkpoint has yet.
    unstored: BTreeMap<u32, bool>,
}

#[derive(Debug, Default)]
struct Outbox {
    read: Arc<AtomicU64>,
    published: u64,
    cleanup: Option<CleanupView>,
}

/// Outbox table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OutboxView {
    /// Events that were read and are not in Kafka yet.
    pub pending: u64,
    /// Events in Kafka since the process started.
    pub published: u64,
    /// Clean-up; `None` if there is none.
    pub cleanup: Option<CleanupView>,
}

/// Clean-up of an outbox table since the process started.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CleanupView {
    /// Rows that were removed, marked or moved.
    pub rows: u64,
    /// Partitions that were dropped.
    pub partitions: u64,
    /// Runs that failed.
    pub errors: u64,
    /// End of the last run that did not fail.
    pub last_run: Option<PgTimestamp>,
    /// Error of the last run, if it failed.
    pub error: Option<String>,
    /// What clean-up waits for, if no row may be removed.
    pub waits_for: Option<String>,
}

/// Counter of the events of an outbox that were read.
#[derive(Clone, Debug)]
pub(crate) struct OutboxEvents(Arc<AtomicU64>);

impl OutboxEvents {
    /// Counts an event.
    #[inline]
    pub(crate) fn count(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

impl OutboxesState {
    /// Outboxes by table: those of which an event was read, and those with clean-up.
    #[must_use]
    pub fn read(&self) -> BTreeMap<TableName, OutboxView> {
        let outboxes = self.lock();
        let view = |outbox: &Outbox| OutboxView {
            pending: outbox
                .read
                .load(Ordering::Relaxed)
                .saturating_sub(outbox.published),
            published: outbox.published,
            cleanup: outbox.cleanup.clone(),
        };
        let tables = outboxes.tables.iter();
        tables
            .map(|(table, outbox)| (table.clone(), view(outbox)))
            .collect()
    }

    /// Counter of a table's events.
    pub(crate) fn events(&self, table: &TableName) -> OutboxEvents {
        let mut outboxes = self.lock();
        let outbox = outboxes.tables.entry(table.clone()).or_default();
        OutboxEvents(Arc::clone(&outbox.read))
    }

    /// Numbers of events that were read; `None` without outboxes.
    pub(crate) fn events_read(&self) -> Option<OutboxCounts> {
        let outboxes = self.lock();
        if outboxes.tables.is_empty() {
            return None;
        }
        let tables = outboxes.tables.iter();
        Some(
            tables
                .map(|(table, outbox)| (table.clone(), outbox.read.load(Ordering::Relaxed)))
                .collect(),
        )
    }

    /// Marks the first events of each outbox as in Kafka.
    pub(crate) fn publish(&self, read: &OutboxCounts) {
        let mut outboxes = self.lock();
        for (table, count) in read {
            if let Some(outbox) = outboxes.tables.get_mut(table) {
                outbox.published = outbox.published.max(*count);
            }
        }
    }

    /// Begins a session, which reads again what was not delivered, from a checkpoint with these complete tables.
    pub(crate) fn start(&self, complete: &BTreeSet<u32>) {
        let mut outboxes = self.lock();
        outboxes.complete.clone_from(complete);
        outboxes.unstored.clear();
        for outbox in outboxes.tables.values_mut() {
            // The counters of an earlier session count no more.
            outbox.read = Arc::new(AtomicU64::new(outbox.published));
        }
    }

    /// Whether every row of a table is delivered, except for those that were inserted after the checkpoint.
    pub(crate) fn is_complete(&self, table: Oid) -> bool {
        self.lock().complete.contains(&table.as_u32())
    }

    /// Marks a table as complete: it was empty while its changes were delivered.
    pub(crate) fn complete(&self, table: Oid) {
        let mut outboxes = self.lock();
        if outboxes.complete.insert(table.as_u32()) {
            outboxes.unstored.insert(table.as_u32(), true);
        }
    }

    /// Marks all tables as incomplete: changes may be missing in Kafka that the server does not send any more.
    pub(crate) fn interrupt(&self) {
        let mut outboxes = self.lock();
        for table in std::mem::take(&mut outboxes.complete) {
            outboxes.unstored.insert(table, false);
        }
    }

    /// Marks tables as incomplete if partitions came with rows that are not read.
    pub(crate) fn note_partitions(&self, changes: &[PartitionChange]) {
        let mut kinds = changes.iter().map(|change| change.kind);
        if kinds.any(|kind| kind == PartitionChangeKind::AttachedUnread) {
            self.interrupt();
        }
    }

    /// Changes of the complete tables that the next checkpoint is to store.
    pub(crate) fn take_unstored(&self) -> BTreeMap<u32, bool> {
        std::mem::take(&mut self.lock().unstored)
    }

    /// Marks changes as stored by a checkpoint. What was found in the meantime stays.
    pub(crate) fn store(&self, changes: &BTreeMap<u32, bool>) {
        let mut outboxes = self.lock();
        let mut complete = applied(&outboxes.complete, changes);
        complete = applied(&complete, &outboxes.unstored);
        outboxes.complete = complete;
    }

    /// Whether a table has clean-up.
    pub(crate) fn cleans(&self, table: &TableName) -> bool {
        let outboxes = self.lock();
        outboxes
            .tables
            .get(table)
            .is_some_and(|outbox| outbox.cleanup.is_some())
    }

    /// Updates the clean-up of a table.
    pub(crate) fn clean_up(&self, table: &TableName, update: impl FnOnce(&mut CleanupView)) {
        let mut outboxes = self.lock();
        let outbox = outboxes.tables.entry(table.clone()).or_default();
        update(outbox.cleanup.get_or_insert_default());
    }

    /// Locks the state. A poisoned lock is ignored: no code panics while holding it, and a display is not worth stopping the
    /// connector.
    fn lock(&self) -> MutexGuard<'_, Outboxes> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Complete tables after changes.
pub(crate) fn applied(complete: &BTreeSet<u32>, changes: &BTreeMap<u32, bool>) -> BTreeSet<u32> {
    let mut complete = complete.clone();
    for (table, is_complete) in changes {
        match is_complete {
            true => complete.insert(*table),
            false => complete.remove(table),
        };
    }
    complete
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> TableName {
        TableName {
            namespace: "public".to_owned(),
            name: "outbox".to_owned(),
        }
    }

    fn counts(state: &OutboxesState) -> (u64, u64) {
        let view = &state.read()[&table()];
        (view.pending, view.published)
    }

    #[test]
    fn events_wait_from_their_reading_to_their_commit() {
        let state = OutboxesState::default();
        assert_eq!(state.events_read(), None);
        let events = state.events(&table());
        events.count();
        events.count();
        let read = state.events_read().unwrap();
        events.count();
        assert_eq!(counts(&state), (3, 0));
        state.publish(&read);
        assert_eq!(counts(&state), (1, 2));

        // The next session reads the third event again.
        state.start(&BTreeSet::new());
        assert_eq!(counts(&state), (0, 2));
        events.count();
        assert_eq!(counts(&state), (0, 2));
        let events = state.events(&table());
        events.count();
        state.publish(&state.events_read().unwrap());
        assert_eq!(counts(&state), (0, 3));
    }

    #[test]
    fn an_interruption_while_a_checkpoint_is_written_outlasts_it() {
        let state = OutboxesState::default();
        let table = Oid::new(7);
        state.complete(table);
        assert!(state.is_complete(table));
        let written = state.take_unstored();
        assert_eq!(written, BTreeMap::from([(7, true)]));
        state.interrupt();
        state.store(&written);
        assert!(!state.is_complete(table));
        assert_eq!(state.take_unstored(), BTreeMap::from([(7, false)]));

        // A session begins with what is stored.
        state.start(&BTreeSet::from([7]));
        assert!(state.is_complete(table));
        state.start(&BTreeSet::new());
        assert!(!state.is_complete(table));
    }
}
