//! Checkpoints that are written before the stream starts.

use std::collections::BTreeSet;

use walcast_pgoutput::Oid;

use crate::error::DeliveryError;
use crate::partitions::PartitionRecords;
use crate::ports::sink::Sink;
use crate::position::checkpoint::{Checkpoint, CheckpointUpdate};
use crate::quarantine::QuarantineRecords;
use crate::restrictions::Restrictions;
use crate::schema_history::SchemaChanges;

/// Commits a checkpoint without records.
pub(super) async fn write_checkpoint<K: Sink>(
    sink: &mut K,
    current: Checkpoint,
    known_tables: Option<BTreeSet<Oid>>,
    restrictions: Option<Restrictions>,
    partitions: PartitionRecords,
) -> Result<(), DeliveryError> {
    let update = CheckpointUpdate {
        current,
        enters_history: false,
        expired: Vec::new(),
        known_tables,
        restrictions,
        schemas: SchemaChanges::new(),
        partitions,
        quarantines: QuarantineRecords::new(),
    };
    sink.commit(&update).await.map_err(DeliveryError::Sink)
}
