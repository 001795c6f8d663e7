//! Streams of event stores: each event is compared with the one before it in its stream, in commit order.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};

use prometheus_client::metrics::counter::Counter;
use tracing::error;
use walcast_mapper::config::OnViolation;
use walcast_mapper::{
    ChangeContext, MapError, Plan, RowChange, StoreChange, StreamEvent, TableName, Violation,
};
use walcast_pgoutput::{Lsn, Oid, Xid};

use crate::describe::Describe;
use crate::event_stores::last_versions::{LastVersions, Predecessor};
use crate::event_stores::state::{EventStoresState, ReportedViolation};
use crate::metrics::{EventLabels, Metrics, ViolationLabels};

/// Streams of the event stores of a session.
pub(crate) struct Streams<'a> {
    /// Where violations are reported; `None`: they are not, because the changes were delivered before.
    state: Option<&'a EventStoresState>,
    metrics: &'a Metrics,
    describe: Describe,
    stores: HashMap<Oid, Store>,
    /// Commit record up to whose transaction gaps and doubled versions are accepted; `None` if none are.
    accepted: Option<Lsn>,
    /// Transaction of the violation that was logged last.
    logged_xid: Option<Xid>,
    /// Tables and kinds of the violations of this transaction that were logged.
    logged: HashSet<(TableName, &'static str)>,
    /// Whether an event that was read and could not be upcast was logged.
    logged_read: bool,
}

/// Streams of one event store.
struct Store {
    last: LastVersions,
    /// Counter of events whose predecessor is known.
    known: Counter,
    /// Counter of those whose predecessor is not known.
    unknown: Counter,
}

/// What becomes of a change of an event store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// Its record is sent.
    Send,
    /// It makes no record.
    Skip,
}

impl<'a> Streams<'a> {
    pub(crate) fn new(state: Option<&'a EventStoresState>, metrics: &'a Metrics, describe: Describe) -> Self {
        Self {
            state,
            metrics,
            describe,
            stores: HashMap::new(),
            accepted: None,
            logged_xid: None,
            logged: HashSet::new(),
            logged_read: false,
        }
    }

    /// Accepts gaps and doubled versions up to a transaction, that with this commit record: the stream may contain the event before them
    /// again, so that they are found again.
    pub(crate) fn accepting(self, accepted: Option<Lsn>) -> Self {
        Self { accepted, ..self }
    }

    /// Forgets the streams of a table of which a change was not compared: the change after it would seem to violate their order.
    pub(super) fn forget(&mut self, oid: Oid) {
        self.stores.remove(&oid);
    }

    /// Compares a change of a table with the streams of its event store, in whose order the change comes next.
    #[inline]
    pub(super) fn compare(
        &mut self,
        oid: Oid,
        plan: &mut Plan,
        change: &RowChange<'_>,
        context: &ChangeContext<'_>,
    ) -> Result<Fate, MapError> {
        match plan.store_change(change)? {
            None | Some(StoreChange::AppendedUnversioned) => Ok(Fate::Send),
            Some(StoreChange::Appended(event)) => self.append(oid, plan, &event, change, context),
            Some(StoreChange::InsertedArchived(event)) => {
                let Some(store) = self.store(oid, plan) else {
                    return Ok(Fate::Send);
                };
                if store.last.continues_with(&event) {
                    return self.append(oid, plan, &event, change, context);
                }
                // The row of an event that was sent, in another partition.
                store.last.end(&event.stream);
                Ok(Fate::Skip)
            }
            Some(StoreChange::Permitted) => Ok(Fate::Skip),
            Some(StoreChange::Updated) => self.violated(plan, change, context, Violation::Update, Fate::Skip),
            Some(StoreChange::Deleted) => self.violated(plan, change, context, Violation::Delete, Fate::Skip),
        }
    }

    /// Reports a truncation of a table, if it is an event store.
    pub(super) fn truncate(
        &mut self,
        oid: Oid,
        plan: &Plan,
        context: &ChangeContext<'_>,
    ) -> Result<(), MapError> {
        let Some(rules) = plan.stream_rules() else {
            return Ok(());
        };
        self.forget(oid);
        let Some(state) = self.state else {
            return Ok(());
        };
        let error = MapError::EventStoreViolation {
            table: plan.table().clone(),
            violation: Violation::Truncate,
            stream: None,
            version: None,
        };
        self.report(state, plan.table(), Violation::Truncate, &error, context);
        match rules.on_violation {
            OnViolation::Warn => Ok(()),
            OnViolation::DeadLetter | OnViolation::Halt => Err(error),
        }
    }

    /// Adds the last events of the streams of a table whose rows were read to the end.
    pub(super) fn add(&mut self, oid: Oid, plan: &Plan, read: LastVersions) {
        if let Some(store) = self.store(oid, plan) {
            store.last.extend(read);
        }
    }

    /// Reports an event that cannot be upcast.
    #[cold]
    pub(super) fn report_upcast(
        &mut self,
        table: &TableName,
        map_error: &MapError,
        context: &ChangeContext<'_>,
    ) {
        if let Some(state) = self.state {
            self.report(state, table, Violation::Upcast, map_error, context);
        }
    }

    /// Reports an event that was read from its table and cannot be upcast: its transaction is not known.
    #[cold]
    pub(super) fn report_read_upcast(&mut self, table: &TableName, map_error: &MapError) {
        let Some(state) = self.state else { return };
        if !self.logged_read {
            error!(
                relation = %table,
                kind = Violation::Upcast.kind(),
                error = self.describe.error(map_error),
                "an event that was read from its table cannot be upcast; further ones are only counted"
            );
            self.logged_read = true;
        }
        self.count(table, Violation::Upcast);
        state.count(table);
    }

    fn store(&mut self, oid: Oid, plan: &Plan) -> Option<&mut Store> {
        match self.stores.entry(oid) {
            Entry::Occupied(store) => Some(store.into_mut()),
            Entry::Vacant(free) => {
                let events = &self.metrics.event_store_events;
                let counter = |predecessor| {
                    let table = plan.table().to_string();
                    events.get_or_create(&EventLabels { table, predecessor }).clone()
                };
                Some(free.insert(Store {
                    last: LastVersions::new(plan.stream_rules()?),
                    known: counter("known"),
                    unknown: counter("unknown"),
                }))
            }
        }
    }

    fn append(
        &mut self,
        oid: Oid,
        plan: &mut Plan,
        event: &StreamEvent,
        change: &RowChange<'_>,
        context: &ChangeContext<'_>,
    ) -> Result<Fate, MapError> {
        let Some(store) = self.store(oid, plan) else {
            return Ok(Fate::Send);
        };
        match store.last.append(event) {
            Predecessor::Known => store.known.inc(),
            Predecessor::Unknown => store.unknown.inc(),
            Predecessor::Violated(violation) => {
                return self.violated(plan, change, context, violation, Fate::Send);
            }
        };
        Ok(Fate::Send)
    }

    /// Reports a violation. With `on_violation = "warn"` the change has the fate that it would have without it.
    #[cold]
    fn violated(
        &mut self,
        plan: &mut Plan,
        change: &RowChange<'_>,
        context: &ChangeContext<'_>,
        violation: Violation,
        fate: Fate,
    ) -> Result<Fate, MapError> {
        let Some(state) = self.state else {
            return Ok(fate);
        };
        let error = plan.violation(change, violation);
        self.report(state, plan.table(), violation, &error, context);
        let is_of_order = matches!(violation, Violation::Gap { .. } | Violation::Doubled { .. });
        let is_accepted = is_of_order
            && self
                .accepted
                .is_some_and(|accepted| context.commit_lsn <= accepted);
        let rules = plan.stream_rules();
        match rules.map_or(OnViolation::Warn, |rules| rules.on_violation) {
            OnViolation::Warn => Ok(fate),
            OnViolation::Halt if is_accepted => Ok(fate),
            OnViolation::DeadLetter | OnViolation::Halt => Err(error),
        }
    }

    fn report(
        &mut self,
        state: &EventStoresState,
        table: &TableName,
        violation: Violation,
        map_error: &MapError,
        context: &ChangeContext<'_>,
    ) {
        let text = self.describe.error(map_error);
        let finding = match violation {
            Violation::Upcast => "an event cannot be upcast",
            _ => "the order of a stream or the immutability of an event is violated",
        };
        if self.logged_xid.replace(context.xid) != Some(context.xid) {
            self.logged.clear();
        }
        if self.logged.insert((table.clone(), violation.kind())) {
            error!(
                relation = %table,
                xid = %context.xid,
                commit_lsn = %context.commit_lsn,
                lsn = %context.lsn,
                kind = violation.kind(),
                error = text,
                "{finding}; further violations of the kind in the transaction are only counted"
            );
        }
        self.count(table, violation);
        let reported = ReportedViolation {
            violation,
            xid: context.xid,
            commit_lsn: context.commit_lsn,
            lsn: context.lsn,
            commit_time: context.commit_time,
            error: text,
        };
        state.report(table, reported);
    }

    fn count(&self, table: &TableName, violation: Violation) {
        let labels = ViolationLabels {
            table: table.to_string(),
            kind: violation.kind(),
        };
        self.metrics.event_store_violations.get_or_create(&labels).inc();
    }
}
