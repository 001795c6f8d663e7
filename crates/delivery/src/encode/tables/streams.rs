//! Streams of event stores: each event is compared with the one before it in its stream, in commit order.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use prometheus_client::metrics::counter::Counter;
use tracing::error;
use walcast_mapper::config::OnViolation;
use walcast_mapper::{
    ChangeContext, MapError, Plan, RowChange, StoreChange, StreamEvent, TableName, Violation,
};
use walcast_pgoutput::{Oid, Xid};

use crate::describe::Describe;
use crate::event_stores::last_versions::{LastVersions, Predecessor};
use crate::event_stores::state::{EventStoresState, ReportedViolation};
use crate::metrics::{EventLabels, Metrics, ViolationLabels};

/// Streams of the event stores of a session.
pub(crate) struct Streams<'a> {
    state: &'a EventStoresState,
    metrics: &'a Metrics,
    describe: Describe,
    stores: HashMap<Oid, Store>,
    /// Transaction and kind of the violation that was logged last.
    logged: Option<(Xid, &'static str)>,
    /// Whether all changes were delivered before.
    is_of_delivered: bool,
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
    pub(crate) fn new(state: &'a EventStoresState, metrics: &'a Metrics, describe: Describe) -> Self {
        Self {
            state,
            metrics,
            describe,
            stores: HashMap::new(),
            logged: None,
            is_of_delivered: false,
        }
    }

    /// Streams of changes that were all delivered before: no violation halts. The connector did not notice it, because it did not
    /// remember the stream, or had another setting.
    pub(crate) fn of_delivered(self) -> Self {
        Self {
            is_of_delivered: true,
            ..self
        }
    }

    /// Handling of a violation.
    fn on_violation(&self, plan: &Plan) -> OnViolation {
        let rules = plan.stream_rules();
        match rules.map_or(OnViolation::Warn, |rules| rules.on_violation) {
            OnViolation::Halt if self.is_of_delivered => OnViolation::Warn,
            on_violation => on_violation,
        }
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
        if plan.stream_rules().is_none() {
            return Ok(());
        }
        self.forget(oid);
        let error = MapError::EventStoreViolation {
            table: plan.table().clone(),
            violation: Violation::Truncate,
            stream: None,
            version: None,
        };
        self.report(plan.table(), Violation::Truncate, &error, context);
        match self.on_violation(plan) {
            OnViolation::Warn => Ok(()),
            OnViolation::DeadLetter | OnViolation::Halt => Err(error),
        }
    }

    /// Adds an event that was read from its table.
    pub(super) fn add(&mut self, oid: Oid, plan: &Plan, event: &StreamEvent) {
        if let Some(store) = self.store(oid, plan) {
            store.last.add(event);
        }
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
        let error = plan.violation(change, violation);
        self.report(plan.table(), violation, &error, context);
        match self.on_violation(plan) {
            OnViolation::Warn => Ok(fate),
            OnViolation::DeadLetter | OnViolation::Halt => Err(error),
        }
    }

    fn report(
        &mut self,
        table: &TableName,
        violation: Violation,
        map_error: &MapError,
        context: &ChangeContext<'_>,
    ) {
        let text = self.describe.error(map_error);
        let logged = Some((context.xid, violation.kind()));
        if self.logged != logged {
            error!(
                relation = %table,
                xid = %context.xid,
                commit_lsn = %context.commit_lsn,
                lsn = %context.lsn,
                kind = violation.kind(),
                error = text,
                "the order of a stream or the immutability of an event is violated; further violations of the kind in the transaction are \
                 only counted"
            );
            self.logged = logged;
        }
        let labels = ViolationLabels {
            table: table.to_string(),
            kind: violation.kind(),
        };
        self.metrics.event_store_violations.get_or_create(&labels).inc();
        let reported = ReportedViolation {
            violation,
            xid: context.xid,
            commit_lsn: context.commit_lsn,
            lsn: context.lsn,
            commit_time: context.commit_time,
            error: text,
        };
        self.state.report(table, reported);
    }
}
