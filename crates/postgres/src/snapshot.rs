//! Snapshots of the tables, from which existing rows are read.
//!
//! The leader needs the exact position of a snapshot, and creating a logical slot exports a snapshot of exactly the transactions that are
//! before its consistent point in the WAL. The connector's own slot exports the first snapshot; each later one is that of a temporary
//! slot. A reader without leadership exports the snapshot of a read-only transaction: [`PostgresSnapshot::read_only`]. Nothing is written
//! to the source, and the tables need no key.

mod chunks;
mod copy;
mod import;
mod read_only;
mod read_order;
mod standby;
mod table_lock;

use std::sync::Arc;
use std::time::Duration;

use walcast_delivery::{BoxedPortError, SlotCreationState, Snapshots};

use crate::config::PostgresConfig;
use crate::error::PostgresError;
use crate::leader_session::{LeaderSession, open_replication};
use crate::replication::{ExportedSnapshot, SlotKind};
use crate::slot_creation::SlotCreationObserver;

pub use copy::PostgresSnapshot;
pub(crate) use import::import;
pub(crate) use standby::SLOTS_SINCE as STANDBY_SLOTS_SINCE;

/// Source of snapshots on the leader's server, or on its standby.
pub struct PostgresSnapshots {
    leader: LeaderSession,
    config: Arc<PostgresConfig>,
    /// Shows the transactions that a snapshot waits for.
    slot_creation: SlotCreationState,
    /// Number of slots created so far.
    count: u32,
}

/// How long the stream is held while a snapshot is taken. When running transactions delay the snapshot, the stream continues.
const HOLD: Duration = Duration::from_secs(1);

/// The same for a snapshot of a standby, which has to replay up to the position.
const HOLD_FOR_STANDBY: Duration = Duration::from_secs(10);

/// Length of the slot's name that a temporary slot's name begins with, so that the name stays below 64 bytes.
const NAME_BYTES: usize = 32;

impl PostgresSnapshots {
    pub(crate) fn new(
        leader: LeaderSession,
        config: Arc<PostgresConfig>,
        slot_creation: SlotCreationState,
    ) -> Self {
        Self {
            leader,
            config,
            slot_creation,
            count: 0,
        }
    }

    async fn try_take(&mut self) -> Result<PostgresSnapshot, PostgresError> {
        self.count += 1;
        // Slot names are ASCII. The slot of an earlier attempt may still exist for a moment.
        let slot = &self.config.slot;
        let name = format!(
            "{}_snapshot_{}_{}",
            slot.get(..NAME_BYTES).unwrap_or(slot),
            std::process::id(),
            self.count
        );
        if let Some(reader) = &self.config.reader {
            return standby::take(&self.leader, &self.config, reader, &name).await;
        }
        let mut replication = open_replication(&self.config, &self.leader).await?;
        let version = self.leader.session.server_version;
        let observer = SlotCreationObserver::new(
            Arc::clone(&self.leader.session.client),
            self.slot_creation.clone(),
        );
        let ExportedSnapshot {
            consistent_point,
            snapshot,
        } = replication
            .create_slot(&name, SlotKind::Temporary, true, version, observer)
            .await?;
        // The imported snapshot outlives the slot, which ends with its connection.
        import(
            &self.leader.session,
            &self.config,
            &self.config.connect,
            consistent_point,
            snapshot.as_deref(),
            &self.leader.own_conversion,
        )
        .await
    }
}

impl Snapshots for PostgresSnapshots {
    type Snapshot = PostgresSnapshot;

    fn hold(&self) -> Duration {
        if self.config.reader.is_some() {
            HOLD_FOR_STANDBY
        } else {
            HOLD
        }
    }

    async fn take(&mut self) -> Result<PostgresSnapshot, BoxedPortError> {
        Ok(self.try_take().await?)
    }
}
