//! Progress of event stores, which are read in the order of their events.

use walcast_mapper::TableName;
use walcast_pgoutput::Oid;

use crate::snapshot::progress::{SnapshotProgress, TableProgress};

impl TableProgress {
    /// Number of the last event in Kafka, and the table or partition that holds it.
    pub(crate) fn last_event(&self) -> Option<(Oid, i64)> {
        Some((Oid::new(self.next?.table), self.after?))
    }
}

impl SnapshotProgress {
    /// Sets the number of the last event of a table that is read in order.
    pub(crate) fn reach_event(&mut self, table: &TableName, after: Option<i64>) {
        if let Some(one) = self.find_mut(table) {
            one.after = after;
        }
    }
}
