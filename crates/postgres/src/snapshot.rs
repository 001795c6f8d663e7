//! Existing rows: snapshots of the tables, and how they are read.
//!
//! A logical slot that is created exports a snapshot of exactly what was committed before its consistent point, in the
//! order of the log. The connector's own slot gives the first; each later one is that of a slot which lives no longer than
//! it takes to hand it on. Nothing is written to the source, and the tables need no key.

mod chunks;
mod import;
mod reader;
mod reading;

use std::sync::Arc;
use std::time::Duration;

use walcast_delivery::{BoxedFault, Snapshots};

use crate::config::PostgresConfig;
use crate::error::PostgresError;
use crate::replication::{ExportedSnapshot, SlotKind};
use crate::source::{Leading, open_replication};

pub(crate) use import::import;
pub(crate) use reader::SLOTS_SINCE as STANDBY_SLOTS_SINCE;
pub use reading::PostgresSnapshot;

/// Takes snapshots of the leader's server.
pub struct PostgresSnapshots {
    leading: Leading,
    config: Arc<PostgresConfig>,
    /// Slots made so far.
    count: u32,
}

/// How long the stream is held for a snapshot to be taken. When transactions that run delay it, the stream goes on.
const HOLD: Duration = Duration::from_secs(1);

/// The same for one of a standby, which has to replay as far.
const HOLD_FOR_STANDBY: Duration = Duration::from_secs(10);

/// What of the slot's name begins that of one for a snapshot: the whole stays below 64 bytes.
const NAME_BYTES: usize = 32;

impl PostgresSnapshots {
    pub(crate) fn new(leading: Leading, config: Arc<PostgresConfig>) -> Self {
        Self {
            leading,
            config,
            count: 0,
        }
    }

    async fn try_take(&mut self) -> Result<PostgresSnapshot, PostgresError> {
        self.count += 1;
        // Slots have plain ASCII names. One of an earlier attempt may still be there for a moment.
        let slot = &self.config.slot;
        let name = format!(
            "{}_snapshot_{}_{}",
            slot.get(..NAME_BYTES).unwrap_or(slot),
            std::process::id(),
            self.count
        );
        if let Some(reader) = &self.config.reader {
            return reader::take(&self.leading, &self.config, reader, &name).await;
        }
        let mut replication = open_replication(&self.config, &self.leading).await?;
        let version = self.leading.session.server_version;
        let ExportedSnapshot {
            consistent_point,
            snapshot,
        } = replication
            .create_slot(&name, SlotKind::Temporary, true, version)
            .await?;
        // The snapshot stays what it is when the slot ends with its connection.
        import(
            &self.leading,
            &self.config,
            &self.config.connect,
            consistent_point,
            snapshot.as_deref(),
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

    async fn take(&mut self) -> Result<PostgresSnapshot, BoxedFault> {
        Ok(self.try_take().await?)
    }
}
