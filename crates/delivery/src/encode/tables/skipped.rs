//! Tables whose changes are skipped.

use walcast_mapper::RowChange;
use walcast_pgoutput::Relation;

use super::counters::OperationCounters;

/// Quarantined table: its changes are counted, and no record is made of them.
pub(super) struct QuarantinedRelation {
    /// Latest description of the table in the stream.
    pub(super) relation: Relation,
    /// Counters of the skipped changes.
    pub(super) skipped: OperationCounters,
}

impl QuarantinedRelation {
    /// Counts a change.
    pub(super) fn count(&self, change: &RowChange<'_>) {
        self.skipped.count(change);
    }

    /// Counts a truncation.
    pub(super) fn count_truncate(&self) {
        self.skipped.count_truncate();
    }
}
