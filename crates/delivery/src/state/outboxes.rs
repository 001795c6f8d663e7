//! Outboxes, for observers: events that wait for their delivery, clean-up, and whether all rows of a table are delivered.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use walcast_mapper::config::Operation;
use walcast_mapper::{MapperConfig, TableName};
use walcast_pgoutput::{Oid, PgTimestamp};

use crate::partitions::change::{PartitionChange, PartitionChangeKind};
use crate::source_state::SourceState;

/// Numbers of events of outboxes that were read.
pub(crate) type OutboxCounts = BTreeMap<TableName, u64>;

/// Outbox tables, by OID, of which every row is delivered, each with the membership in the publication since which that is so.
pub(crate) type CompleteOutboxes = BTreeMap<u32, String>;

/// Changes of [`CompleteOutboxes`]; `None` removes an OID.
pub(crate) type CompletenessChanges = BTreeMap<u32, Option<String>>;

/// Outboxes of a connector. Clones share the state.
#[derive(Clone, Debug, Default)]
pub struct OutboxesState(Arc<Mutex<Outboxes>>);

#[derive(Debug, Default)]
struct Outboxes {
    tables: BTreeMap<TableName, Outbox>,
    /// Published tables of the latest inspection whose rows are events.
    inspected: BTreeMap<u32, Inspected>,
    /// Tables whose reading shows nothing if it has begun already.
    interrupted: BTreeSet<u32>,
    /// Whether the history of the server is the one that was delivered.
    is_verified: bool,
    /// Tables of which every row is delivered, except for those that were inserted after the checkpoint.
    complete: CompleteOutboxes,
    /// Changes of `complete` that no checkpoint has yet.
    unstored: CompletenessChanges,
}

#[derive(Debug)]
struct Inspected {
    table: TableName,
    membership: String,
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

    /// Takes what an inspection found. A table that is not captured, whose rows are not events, or that has left the publication and come
    /// back is complete no more.
    pub(crate) fn inspect(&self, source_state: &SourceState, mapper: &MapperConfig) {
        let makes_events = mapper.events.operations.contains(&Operation::Create);
        let captured = source_state.captured.iter();
        let outboxes = captured.filter(|table| makes_events && mapper.outbox_of(&table.name).is_some());
        let inspected = outboxes.filter_map(|table| {
            let found = Inspected {
                table: table.name.clone(),
                membership: source_state.memberships.get(&table.oid)?.clone(),
            };
            Some((table.oid.as_u32(), found))
        });
        let mut outboxes = self.lock();
        outboxes.inspected = inspected.collect();
        outboxes.forget_others();
    }

    /// Membership of a table in the publication at the latest inspection.
    pub(crate) fn membership(&self, table: u32) -> Option<String> {
        let outboxes = self.lock();
        let inspected = outboxes.inspected.get(&table)?;
        Some(inspected.membership.clone())
    }

    /// The same, before rows of the table are read: what interrupted it until now does not concern the reading.
    pub(crate) fn membership_before_reading(&self, table: u32) -> Option<String> {
        self.lock().interrupted.remove(&table);
        self.membership(table)
    }

    /// Whether a table was interrupted since its reading began.
    pub(crate) fn is_interrupted(&self, table: u32) -> bool {
        self.lock().interrupted.contains(&table)
    }

    /// Begins a session, which reads again what was not delivered, from a checkpoint with these complete tables.
    pub(crate) fn start(&self, complete: &CompleteOutboxes) {
        let mut outboxes = self.lock();
        outboxes.is_verified = false;
        outboxes.complete.clone_from(complete);
        outboxes.unstored.clear();
        outboxes.forget_others();
        for outbox in outboxes.tables.values_mut() {
            // The counters of an earlier session count no more.
            outbox.read = Arc::new(AtomicU64::new(outbox.published));
        }
    }

    /// Notes that the history of the server is the one that was delivered.
    pub(crate) fn verify(&self) {
        self.lock().is_verified = true;
    }

    /// Whether the session has verified the history of the server.
    pub(crate) fn is_verified(&self) -> bool {
        self.lock().is_verified
    }

    /// Whether every row of a table with this membership is delivered, except for those that were inserted after the checkpoint.
    pub(crate) fn is_complete(&self, table: Oid, membership: &str) -> bool {
        let outboxes = self.lock();
        let since = outboxes.complete.get(&table.as_u32());
        since.is_some_and(|since| since == membership)
    }

    /// Marks a table as complete: it was empty while its changes were delivered.
    pub(crate) fn complete(&self, table: Oid, membership: &str) {
        let (table, membership) = (table.as_u32(), membership.to_owned());
        let mut outboxes = self.lock();
        outboxes.complete.insert(table, membership.clone());
        outboxes.unstored.insert(table, Some(membership));
    }

    /// Marks all tables as incomplete: changes may be missing in Kafka that the server does not send any more.
    pub(crate) fn interrupt(&self) {
        self.lock().interrupt(|_, _| true);
    }

    /// Marks a table as incomplete: the stream has changes of it that are not events.
    pub(crate) fn leave(&self, table: Oid) {
        self.lock().interrupt(|oid, _| oid == table.as_u32());
    }

    /// Marks tables as incomplete whose partitions came with rows that are not read. A partition with another file may have been
    /// unlogged in between.
    pub(crate) fn note_partitions(&self, changes: &[PartitionChange]) {
        let mut outboxes = self.lock();
        let hiding = changes.iter().filter(|change| match change.kind {
            PartitionChangeKind::AttachedUnread
            | PartitionChangeKind::Rewritten
            | PartitionChangeKind::AllRewritten => true,
            PartitionChangeKind::AttachedAndRead
            | PartitionChangeKind::Detached
            | PartitionChangeKind::Dropped => false,
        });
        for change in hiding {
            outboxes.interrupt(|_, inspected| inspected.is_none_or(|one| one.table == change.table));
        }
    }

    /// Changes of the complete tables that the next checkpoint is to store.
    pub(crate) fn take_unstored(&self) -> CompletenessChanges {
        std::mem::take(&mut self.lock().unstored)
    }

    /// Marks changes as stored by a checkpoint. What was found in the meantime stays.
    pub(crate) fn store(&self, changes: &CompletenessChanges) {
        let mut outboxes = self.lock();
        let complete = applied(&outboxes.complete, changes);
        outboxes.complete = applied(&complete, &outboxes.unstored);
        outboxes.forget_others();
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

impl Outboxes {
    /// Marks tables as incomplete that the latest inspection did not find with their membership.
    fn forget_others(&mut self) {
        let complete = self.complete.clone();
        self.forget(|oid, inspected| inspected.is_none_or(|one| complete.get(&oid) != Some(&one.membership)));
    }

    /// Marks the chosen tables as incomplete, and as interrupted where their rows are being read.
    fn interrupt(&mut self, is_chosen: impl Fn(u32, Option<&Inspected>) -> bool) {
        let chosen = self
            .inspected
            .iter()
            .filter(|(oid, one)| is_chosen(**oid, Some(*one)));
        self.interrupted.extend(chosen.map(|(oid, _)| *oid));
        self.forget(is_chosen);
    }

    /// Marks the tables as incomplete that are chosen by their OID, and by what the latest inspection found of them.
    fn forget(&mut self, is_chosen: impl Fn(u32, Option<&Inspected>) -> bool) {
        let Self {
            inspected,
            complete,
            unstored,
            ..
        } = self;
        complete.retain(|oid, _| {
            let is_kept = !is_chosen(*oid, inspected.get(oid));
            if !is_kept {
                unstored.insert(*oid, None);
            }
            is_kept
        });
    }
}

/// Complete tables after changes.
pub(crate) fn applied(complete: &CompleteOutboxes, changes: &CompletenessChanges) -> CompleteOutboxes {
    let mut complete = complete.clone();
    for (table, membership) in changes {
        match membership {
            Some(membership) => complete.insert(*table, membership.clone()),
            None => complete.remove(table),
        };
    }
    complete
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source_state::fixture;

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
        state.start(&CompleteOutboxes::new());
        assert_eq!(counts(&state), (0, 2));
        events.count();
        assert_eq!(counts(&state), (0, 2));
        let events = state.events(&table());
        events.count();
        state.publish(&state.events_read().unwrap());
        assert_eq!(counts(&state), (0, 3));
    }

    /// What an inspection finds of the table with OID 7, if it is captured.
    fn inspect(state: &OutboxesState, membership: Option<&str>) {
        let captured = membership.map(|_| fixture::captured(table(), 7));
        let found = SourceState {
            memberships: membership
                .map(|one| (Oid::new(7), one.to_owned()))
                .into_iter()
                .collect(),
            ..fixture::source_state(captured)
        };
        let rule = serde_json::json!({"tables": "public.outbox"});
        let mapper = MapperConfig {
            outboxes: vec![serde_json::from_value(rule).unwrap()],
            ..MapperConfig::new("shop", "shop")
        };
        state.inspect(&found, &mapper);
    }

    fn since(membership: &str) -> CompleteOutboxes {
        CompleteOutboxes::from([(7, membership.to_owned())])
    }

    #[test]
    fn an_interruption_while_a_checkpoint_is_written_outlasts_it() {
        let state = OutboxesState::default();
        let table = Oid::new(7);
        inspect(&state, Some("a"));
        state.complete(table, "a");
        assert!(state.is_complete(table, "a") && !state.is_complete(table, "b"));
        let written = state.take_unstored();
        assert_eq!(written, CompletenessChanges::from([(7, Some("a".to_owned()))]));
        state.interrupt();
        state.store(&written);
        assert!(!state.is_complete(table, "a"));
        assert_eq!(state.take_unstored(), CompletenessChanges::from([(7, None)]));

        // A session begins with what is stored.
        state.start(&since("a"));
        assert!(state.is_complete(table, "a"));
        state.start(&CompleteOutboxes::new());
        assert!(!state.is_complete(table, "a"));
    }

    #[test]
    fn a_table_that_left_the_publication_is_incomplete_although_it_is_back() {
        let table = Oid::new(7);
        // While the connector was stopped, while it runs, and where the table is not captured for some time.
        let state = OutboxesState::default();
        inspect(&state, Some("b"));
        state.start(&since("a"));
        assert_eq!(state.take_unstored(), CompletenessChanges::from([(7, None)]));

        state.start(&since("b"));
        assert!(state.is_complete(table, "b"));
        inspect(&state, Some("c"));
        assert_eq!(state.take_unstored(), CompletenessChanges::from([(7, None)]));

        state.start(&since("c"));
        inspect(&state, None);
        inspect(&state, Some("c"));
        assert!(!state.is_complete(table, "c"));

        // Rows that were read before it left do not show that all are delivered.
        state.start(&CompleteOutboxes::new());
        state.store(&CompletenessChanges::from([(7, Some("b".to_owned()))]));
        assert!(!state.is_complete(table, "b"));
        assert_eq!(state.take_unstored(), CompletenessChanges::from([(7, None)]));
    }

    #[test]
    fn a_table_whose_changes_have_another_name_in_the_stream_is_incomplete() {
        let state = OutboxesState::default();
        inspect(&state, Some("a"));
        state.start(&since("a"));
        state.leave(Oid::new(8));
        assert!(state.is_complete(Oid::new(7), "a"));
        state.leave(Oid::new(7));
        assert!(!state.is_complete(Oid::new(7), "a"));

        // A reading that had begun shows nothing, and a later one does.
        assert!(state.is_interrupted(7) && !state.is_interrupted(8));
        assert_eq!(state.membership_before_reading(7).as_deref(), Some("a"));
        assert!(!state.is_interrupted(7));
    }
}
