//! Configuration of delivery.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::encode::dead_letters::config::DeadLetterConfig;
use crate::snapshot::config::SnapshotConfig;

/// Delivery guarantee.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Guarantee {
    /// Exactly once: records and checkpoint are in one Kafka transaction.
    ExactlyOnce,
    /// At least once: the checkpoint is written after the broker has acknowledged the records; a crash may repeat some.
    AtLeastOnce,
}

/// Action when the compatibility rule of a subject rejects a table's new schema.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnIncompatible {
    /// The connector halts with the registry's error.
    #[default]
    Halt,
    /// Further records of the table are written to another topic, `<topic>.v2` and so on, with its own subjects.
    NewSubject,
}

/// What the connector creates if it is missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CreateMissing {
    /// Slot and publication. Tables are added to the publication.
    Both,
    /// The slot. The publication belongs to an operator, and is never created or altered.
    Slot,
    /// Nothing.
    Neither,
}

impl CreateMissing {
    /// Whether a missing slot is created.
    #[must_use]
    pub fn slot(self) -> bool {
        match self {
            CreateMissing::Both | CreateMissing::Slot => true,
            CreateMissing::Neither => false,
        }
    }

    /// Whether a missing publication is created, and tables are added to the publication.
    #[must_use]
    pub fn publication(self) -> bool {
        match self {
            CreateMissing::Both => true,
            CreateMissing::Slot | CreateMissing::Neither => false,
        }
    }
}

/// Settings of delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeliveryConfig {
    /// Name of the slot, for checkpoints and messages.
    pub slot: String,
    /// Name of the publication, for messages.
    pub publication: String,
    /// What is created if it is missing.
    pub create_missing: CreateMissing,
    /// Minimum time between two Kafka commits while changes keep arriving.
    pub commit_interval: Duration,
    /// Size in bytes at which a Kafka transaction is committed at the next source commit, whatever its age.
    pub commit_bytes: usize,
    /// Maximum time that a Kafka transaction may stay open (`transaction.timeout.ms`).
    pub transaction_timeout: Duration,
    /// Size in bytes beyond which a source transaction is split over several Kafka transactions; `None`: never split.
    pub split_over_bytes: Option<u64>,
    /// Action when the registry rejects a table's new schema.
    pub on_incompatible: OnIncompatible,
    /// Handling of changes that cannot be delivered.
    pub dead_letters: DeadLetterConfig,
    /// Interval between checkpoints while no captured table changes.
    pub idle_interval: Duration,
    /// Interval between inspections of slot and publication.
    pub slot_check_interval: Duration,
    /// Retention of positions for replay.
    pub replay: ReplayConfig,
    /// First delay before a reconnection; the delay doubles with every consecutive failure.
    pub retry_backoff_min: Duration,
    /// Maximum delay before a reconnection.
    pub retry_backoff_max: Duration,
    /// Which existing rows are read, and how.
    pub snapshot: SnapshotConfig,
}

impl DeliveryConfig {
    /// `split_over_bytes` as a size in memory, which a larger one never reaches.
    pub(crate) fn split_bytes(&self) -> Option<usize> {
        self.split_over_bytes
            .and_then(|bytes| usize::try_from(bytes).ok())
    }
}

/// Replay settings: how far the slot's confirmed position stays behind the checkpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReplayConfig {
    /// Age up to which positions stay replayable; zero: positions are confirmed at once.
    pub retention: Duration,
    /// Maximum number of bytes of WAL that the slot retains for replay; `None`: no limit.
    pub retention_bytes: Option<u64>,
    /// Time between two remembered positions.
    pub history_interval: Duration,
}
