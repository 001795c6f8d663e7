//! Checkpoints that are written before the stream starts.

use std::collections::BTreeSet;

use walcast_pgoutput::Oid;

use crate::error::DeliveryError;
use crate::partitions::PartitionRecords;
use crate::ports::sink::Sink;
use crate::position::checkpoint::{Checkpoint, CheckpointUpdate};
use crate::restrictions::Restrictions;

/// Commits a checkpoint without records.
pub(super) async fn write_checkpoint<K: Sink>(
    sink: &mut K,
    current: Checkpoint,
    known_tables: Option<BTreeSet<Oid>>,
    restrictions: Option<Restrictions>,
    partitions: PartitionRecords,
) -> Result<(), DeliveryError> {
    let update = CheckpointUpdate {
        known_tables,
        restrictions,
        partitions,
        ..CheckpointUpdate::of(current)
    };
    sink.commit(&update).await.map_err(DeliveryError::Sink)
}
