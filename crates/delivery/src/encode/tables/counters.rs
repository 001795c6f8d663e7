//! Counters of a table's changes by operation.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use walcast_mapper::{RowChange, TableName};

use crate::metrics::ChangeLabels;

/// Counters of inserts, updates, deletes and truncations.
pub(super) struct OperationCounters([Counter; 4]);

impl OperationCounters {
    /// Counters of a table in a family.
    pub(super) fn new(family: &Family<ChangeLabels, Counter>, table: &TableName) -> Self {
        Self(["insert", "update", "delete", "truncate"].map(|operation| {
            let labels = ChangeLabels {
                table: table.to_string(),
                operation,
            };
            family.get_or_create(&labels).clone()
        }))
    }

    /// Counts a change.
    #[inline]
    pub(super) fn count(&self, change: &RowChange<'_>) {
        let [inserts, updates, deletes, _] = &self.0;
        match change {
            RowChange::Insert { .. } => inserts.inc(),
            RowChange::Update { .. } => updates.inc(),
            RowChange::Delete { .. } => deletes.inc(),
        };
    }

    /// Counts a truncation.
    pub(super) fn count_truncate(&self) {
        let [.., truncates] = &self.0;
        truncates.inc();
    }
}
