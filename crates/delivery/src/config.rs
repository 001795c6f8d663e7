//! What the delivery loop can be told.

use std::time::Duration;

use crate::{DeadLetterConfig, SnapshotConfig};

/// How records are delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Guarantee {
    /// Records and checkpoint in one Kafka transaction.
    ExactlyOnce,
    /// Checkpoint after the broker has acknowledged the records; a crash may repeat some.
    AtLeastOnce,
}

/// What happens when a subject's compatibility rule refuses a table's new schema.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnIncompatible {
    /// The connector ends with the registry's words.
    #[default]
    Halt,
    /// The table's records go on in a further topic, `<topic>.v2` and so on, with subjects of its own.
    NewSubject,
}

/// Settings of the delivery loop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeliveryConfig {
    /// The slot's name, for checkpoints and messages.
    pub slot: String,
    /// The publication's name, for messages.
    pub publication: String,
    /// Whether a missing slot or publication is created.
    pub create_missing: bool,
    /// The least time between two Kafka commits while changes keep coming.
    pub commit_interval: Duration,
    /// A Kafka transaction of at least this many bytes is committed at the next source commit, whatever the time.
    pub commit_bytes: usize,
    /// The longest a Kafka transaction may stay open (`transaction.timeout.ms`).
    pub transaction_timeout: Duration,
    /// A source transaction larger than this is split over several Kafka transactions; `None`: never.
    pub split_over_bytes: Option<u64>,
    /// What happens when the registry refuses a table's new schema.
    pub on_incompatible: OnIncompatible,
    /// What happens to changes that cannot be delivered.
    pub dead_letters: DeadLetterConfig,
    /// How often the position is checkpointed while nothing changes in the captured tables.
    pub idle_interval: Duration,
    /// How often slot and publication are looked at.
    pub watch_interval: Duration,
    /// How far back changes can be played again.
    pub replay: ReplayConfig,
    /// The first delay before reconnecting; it doubles with every failure in a row.
    pub retry_delay_min: Duration,
    /// The longest delay before reconnecting.
    pub retry_delay_max: Duration,
    /// Which existing rows are read, and how.
    pub snapshot: SnapshotConfig,
}

/// How far back changes can be played again: the slot is confirmed only that far behind the checkpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReplayConfig {
    /// Positions younger than this stay reachable; zero: confirm at once.
    pub keep: Duration,
    /// But the slot never holds more than this many bytes of log for it; `None`: no limit.
    pub keep_bytes: Option<u64>,
    /// Distance in time between the positions that are remembered.
    pub history_interval: Duration,
}
