//! Last violations of event stores, for observers.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use walcast_mapper::{TableName, Violation};
use walcast_pgoutput::{Lsn, PgTimestamp, Xid};

/// Violations of event stores. Clones share the state.
#[derive(Clone, Debug, Default)]
pub struct EventStoresState(Arc<Mutex<BTreeMap<TableName, EventStoreView>>>);

/// Violations of an event store since the process started.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EventStoreView {
    /// Number of violations.
    pub violations: u64,
    /// The last violation whose transaction is known.
    pub last_violation: Option<ReportedViolation>,
}

/// Violation of the order of a stream or of the immutability of an event, and the transaction that made it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReportedViolation {
    /// The violation.
    pub violation: Violation,
    /// The transaction.
    pub xid: Xid,
    /// Position of the commit record of the transaction.
    pub commit_lsn: Lsn,
    /// Position of the change.
    pub lsn: Lsn,
    /// Commit time of the transaction.
    pub commit_time: PgTimestamp,
    /// The violation, its stream and its version in words.
    pub error: String,
}

impl EventStoresState {
    /// Event stores by table: those with violations.
    #[must_use]
    pub fn read(&self) -> BTreeMap<TableName, EventStoreView> {
        self.lock().clone()
    }

    /// Adds a violation.
    pub(crate) fn report(&self, table: &TableName, violation: ReportedViolation) {
        let mut stores = self.lock();
        let view = stores.entry(table.clone()).or_default();
        view.violations += 1;
        view.last_violation = Some(violation);
    }

    /// Counts a violation whose transaction is not known.
    pub(crate) fn count(&self, table: &TableName) {
        self.lock().entry(table.clone()).or_default().violations += 1;
    }

    /// Locks the state. A poisoned lock is ignored: no code panics while holding it, and a display is not worth
    /// stopping the connector.
    fn lock(&self) -> MutexGuard<'_, BTreeMap<TableName, EventStoreView>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
