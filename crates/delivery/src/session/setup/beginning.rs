//! Where and from which state a session begins.

use std::collections::BTreeSet;

use walcast_pgoutput::{Lsn, Oid};

use crate::encode::owners::Owners;
use crate::partitions::KnownPartitions;
use crate::partitions::change::PartitionChange;
use crate::ports::snapshots::Snapshots;
use crate::ports::source::Source;
use crate::position::checkpoint::{Checkpoint, CheckpointLog};
use crate::restrictions::Restrictions;

/// Snapshots of a source.
pub(crate) type SnapshotOf<P> = <<P as Source>::Snapshots as Snapshots>::Snapshot;

/// Start position and state of a session.
pub(crate) struct Beginning<S> {
    /// Position at which the session continues.
    pub(crate) from: Lsn,
    /// Position at which the stream begins: `from`, or an earlier position that replays the last delivered changes.
    pub(crate) begins_at: Lsn,
    /// Position up to which the slot is confirmed.
    pub(crate) confirmed: Lsn,
    /// Checkpoint from which the session continues.
    pub(crate) checkpoint: Checkpoint,
    /// Checkpoint log, as read.
    pub(crate) log: CheckpointLog,
    /// Snapshot of the slot, if the slot was just created and rows are to be read.
    pub(crate) snapshot: Option<S>,
    /// OIDs of the captured tables.
    pub(crate) known_tables: BTreeSet<Oid>,
    /// Row filters and column lists of the captured tables.
    pub(crate) restrictions: Restrictions,
    /// Partitions of the captured tables.
    pub(crate) known_partitions: KnownPartitions,
    /// Changes of partitions since the last inspection of an earlier session.
    pub(crate) partition_changes: Vec<PartitionChange>,
    /// End of the flushed WAL at the last inspection.
    pub(crate) flushed: Lsn,
    /// Owners of the topics.
    pub(crate) owners: Owners,
    /// Whether the server omits changes of tables that are published while a transaction runs.
    pub(crate) needs_stream_restart: bool,
}
