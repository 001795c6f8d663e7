//! Hand-over of polled outboxes to a stream ([decision 0032](../../../../docs/decisions/0032-outbox-move.md)).
//!
//! Slot and publication exist before anything else. Then every worker is fenced, the rows of their last claims are marked, and a snapshot
//! at an exact position after the beginning of the slot is taken. Rows that it shows are sent and marked as before; every other row commits
//! at or after the position, where the stream begins. The checkpoint with the position is stored by a producer that any other instance
//! that polls would have fenced, and such an instance finds the checkpoint behind its fence.

use std::collections::{BTreeMap, BTreeSet};

use tracing::info;
use walcast_mapper::TableName;
use walcast_pgoutput::{Lsn, Oid, PgTimestamp};

use crate::config::DeliveryConfig;
use crate::coverage::{first_finding, publication_findings, table_finding};
use crate::error::DeliveryError;
use crate::halt::Halt;
use crate::ports::source::Source;
use crate::position::checkpoint::{Checkpoint, CheckpointState, CheckpointUpdate};
use crate::position::resume::usable_slot;
use crate::session::setup::may_create;
use crate::source_state::SourceState;

/// Stream to which outboxes are handed over: its slot and its publication exist.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PreparedStream {
    /// First checkpoint, without its position.
    checkpoint: Checkpoint,
    /// The outboxes.
    tables: BTreeSet<Oid>,
    /// Whether the publication was missing.
    pub creates_publication: bool,
    /// Whether the slot was missing.
    pub creates_slot: bool,
}

/// Result of a hand-over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HandedOver {
    /// First checkpoint of the stream.
    pub checkpoint: Checkpoint,
    /// Number of events that were sent by polling.
    pub events: u64,
}

impl PreparedStream {
    /// Checks that the outboxes can be streamed, without a change.
    ///
    /// # Errors
    /// [`Halt`]: the server is not set up for it, the publication or the slot cannot be used, or may not be created.
    pub fn check(
        source_state: &SourceState,
        config: &DeliveryConfig,
        tables: BTreeSet<Oid>,
    ) -> Result<Self, DeliveryError> {
        let chosen = source_state.restricted(|table| tables.contains(&table.oid));
        if chosen.wal_level != "logical" {
            return Err(Halt::WalLevel {
                found: chosen.wal_level,
            }
            .into());
        }
        // Once a table without replica identity is published, the server rejects its marks and the updates of applications.
        first_finding(chosen.captured.iter().filter_map(table_finding).collect())?;
        let creates_publication = chosen.publication.is_none();
        if !creates_publication {
            first_finding(publication_findings(&chosen, &config.publication))?;
        }
        match &chosen.slot {
            Some(slot) => {
                usable_slot(&chosen, slot, Lsn::INVALID)?;
            }
            None => may_create(config, creates_publication)?,
        }
        Ok(Self {
            creates_publication,
            creates_slot: chosen.slot.is_none(),
            checkpoint: Checkpoint {
                version: Checkpoint::VERSION,
                state: CheckpointState::Streaming,
                system_identifier: chosen.system_identifier,
                timeline: chosen.timeline,
                database: chosen.database,
                slot: config.slot.clone(),
                end_lsn: Lsn::INVALID,
                last_commit: None,
                last_message: None,
                partial: None,
                snapshot: None,
                signals_read: None,
                complete_outboxes: BTreeMap::new(),
                held_by: None,
                written_at_unix_micros: 0,
            },
            tables,
        })
    }

    /// Creates publication and slot where they are missing. The source leads.
    ///
    /// # Errors
    /// The server rejects the creation, or does not answer.
    pub async fn create<P: Source>(&self, source: &mut P, tables: &[TableName]) -> Result<(), DeliveryError> {
        if self.creates_publication {
            let created = source.create_publication(tables).await;
            created.map_err(DeliveryError::Source)?;
            info!(tables = tables.len(), "publication created");
        }
        if self.creates_slot {
            let created = source.create_slot(false).await.map_err(DeliveryError::Source)?;
            info!(slot = self.checkpoint.slot, lsn = %created.consistent_point, "slot created");
        }
        Ok(())
    }

    /// First checkpoint, at this position.
    pub(super) fn at(self, position: Lsn) -> CheckpointUpdate {
        CheckpointUpdate {
            enters_history: true,
            known_tables: Some(self.tables),
            ..CheckpointUpdate::of(Checkpoint {
                end_lsn: position,
                written_at_unix_micros: PgTimestamp::now().unix_micros(),
                ..self.checkpoint
            })
        }
    }
}
