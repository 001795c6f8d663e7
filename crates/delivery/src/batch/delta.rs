//! Changes of a checkpoint beside its position, and the replies that wait for them.

use std::collections::BTreeSet;
use std::fmt;

use walcast_pgoutput::Oid;

use crate::partitions::PartitionRecords;
use crate::quarantine::QuarantineRecords;
use crate::restrictions::Restrictions;
use crate::schema_history::SchemaChanges;
use crate::snapshot::progress::SnapshotProgress;
use crate::state::outboxes::CompletenessChanges;

/// Changes since the last checkpoint.
#[derive(Default)]
pub(crate) struct CheckpointDelta {
    /// Existing rows that are left to be read; `Some(None)` if none are.
    pub(crate) snapshot: Option<Option<SnapshotProgress>>,
    /// The offset in the signal topic before which signals are executed.
    pub(crate) signals_read: Option<i64>,
    /// Captured tables.
    pub(crate) known_tables: Option<BTreeSet<Oid>>,
    /// Row filters and column lists of the captured tables.
    pub(crate) restrictions: Option<Restrictions>,
    /// Schemas of tables.
    pub(crate) schemas: SchemaChanges,
    /// Partitions of captured tables.
    pub(crate) partitions: PartitionRecords,
    /// Quarantines of tables.
    pub(crate) quarantines: QuarantineRecords,
    /// Outbox tables of which every row is delivered, or no longer certain to be.
    pub(crate) outboxes: CompletenessChanges,
    /// Sent once the checkpoint is committed.
    pub(crate) replies: Vec<Box<dyn FnOnce() + Send + Sync>>,
}

impl CheckpointDelta {
    pub(crate) fn is_empty(&self) -> bool {
        let Self {
            snapshot,
            signals_read,
            known_tables,
            restrictions,
            schemas,
            partitions,
            quarantines,
            outboxes,
            replies,
        } = self;
        snapshot.is_none()
            && signals_read.is_none()
            && known_tables.is_none()
            && restrictions.is_none()
            && schemas.is_empty()
            && partitions.is_empty()
            && quarantines.is_empty()
            && outboxes.is_empty()
            && replies.is_empty()
    }

    /// Adds later changes.
    pub(crate) fn add(&mut self, later: Self) {
        self.snapshot = later.snapshot.or(self.snapshot.take());
        self.signals_read = later.signals_read.or(self.signals_read);
        self.known_tables = later.known_tables.or(self.known_tables.take());
        self.restrictions = later.restrictions.or(self.restrictions.take());
        self.schemas.extend(later.schemas);
        self.partitions.extend(later.partitions);
        self.quarantines.extend(later.quarantines);
        self.outboxes.extend(later.outboxes);
        self.replies.extend(later.replies);
    }
}

impl fmt::Debug for CheckpointDelta {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CheckpointDelta")
            .field("snapshot", &self.snapshot)
            .field("signals_read", &self.signals_read)
            .field("schemas", &self.schemas.len())
            .field("partitions", &self.partitions.len())
            .field("quarantines", &self.quarantines)
            .field("replies", &self.replies.len())
            .finish_non_exhaustive()
    }
}
