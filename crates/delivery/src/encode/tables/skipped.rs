//! Tables whose changes are skipped, and changes that are skipped.

use tracing::{error, warn};
use walcast_mapper::config::InvalidUpdate;
use walcast_mapper::{ChangeContext, RowChange, TableName};
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

/// Logs the first skipped update of an outbox table.
#[cold]
pub(super) fn log_update(relation: &TableName, on_update: InvalidUpdate, context: &ChangeContext<'_>) {
    let lsn = context.lsn;
    match on_update {
        InvalidUpdate::Ignore => {}
        InvalidUpdate::Error => error!(
            %relation, %lsn,
            "a row of the outbox was updated, which makes no record; further updates of this table are not logged"
        ),
        InvalidUpdate::Warn | InvalidUpdate::Fatal => warn!(
            %relation, %lsn,
            "a row of the outbox was updated, which makes no record; further updates of this table are not logged"
        ),
    }
}
