//! Checkpoints: the position up to which all changes are in Kafka, as stored there, and its history.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use walcast_mapper::Ordinal;
use walcast_pgoutput::{Lsn, Oid, PgTimestamp, Xid};

use crate::partitions::{KnownPartitions, PartitionRecords};
use crate::quarantine::{QuarantineRecords, Quarantines};
use crate::restrictions::Restrictions;
use crate::schema_history::{SchemaChanges, TableHistory};
use crate::snapshot::progress::SnapshotProgress;
use crate::source_state::{SourceState, SystemIdentifier, Timeline};

/// Position up to which every change is in Kafka, written in the same Kafka transaction as the last of these changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Checkpoint {
    /// Version of the format, [`Checkpoint::VERSION`].
    pub version: u32,
    /// State of the connector.
    pub state: CheckpointState,
    /// System identifier of the cluster to which the positions belong.
    #[serde(with = "crate::serde_text::as_text")]
    pub system_identifier: SystemIdentifier,
    /// Timeline to which the positions belong.
    pub timeline: Timeline,
    /// Name of the database.
    pub database: String,
    /// Name of the slot.
    pub slot: String,
    /// Position at which streaming continues: every transaction that ends at or before it is in Kafka.
    #[serde(with = "crate::serde_text::as_text")]
    pub end_lsn: Lsn,
    /// Last delivered transaction; `None` before the first one, or if it is not known.
    pub last_commit: Option<CommitPosition>,
    /// End of the last message outside a transaction that was delivered after `last_commit`. `end_lsn` may be before it: only
    /// commits and idle WAL advance `end_lsn`.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        with = "crate::serde_text::as_optional_text"
    )]
    pub last_message: Option<Lsn>,
    /// Delivered part of the transaction after `end_lsn`, if that transaction had to be split.
    pub partial: Option<Partial>,
    /// Existing rows that are not in Kafka yet; `None` if no more rows are to be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snapshot: Option<SnapshotProgress>,
    /// Offset in the signal topic before which all signals are executed; `None` if the topic was never read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signals_read: Option<i64>,
    /// Outbox tables, by OID, of which every row is in Kafka, except for those that were inserted after `end_lsn`; each with the
    /// membership in the publication since which that is so.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub complete_outboxes: BTreeMap<u32, String>,
    /// Change of an event store before which the connector has halted, and which the next start may not recognize; `None` if there is
    /// none, or once it is delivered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held_by: Option<HeldBy>,
    /// Write time, in microseconds since 1970.
    pub written_at_unix_micros: i64,
}

/// Change before which a connector has halted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HeldBy {
    /// Schema of its table.
    pub namespace: String,
    /// Name of its table.
    pub table: String,
    /// Start of the commit record of its transaction.
    #[serde(with = "crate::serde_text::as_text")]
    pub commit_lsn: Lsn,
    /// Transaction ID.
    pub xid: u32,
    /// What is wrong with it.
    pub error: String,
    /// Whether an operator has accepted it: it is sent, and so are the changes before it.
    #[serde(default)]
    pub is_accepted: bool,
}

/// State of the connector when a checkpoint was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CheckpointState {
    /// The connector was about to create its slot: a slot that is found has delivered no changes yet.
    CreatingSlot,
    /// The connector was streaming.
    Streaming,
    /// The slot was about to be replaced by a copy of a bookmark's slot: while it is missing, the connector has not lost it.
    ReplacingSlot,
}

/// Delivered transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CommitPosition {
    /// Start of the commit record.
    #[serde(with = "crate::serde_text::as_text")]
    pub commit_lsn: Lsn,
    /// End of the commit record.
    #[serde(with = "crate::serde_text::as_text")]
    pub end_lsn: Lsn,
    /// Commit time, in microseconds since 1970.
    pub commit_time_unix_micros: i64,
    /// Transaction ID.
    pub xid: u32,
}

impl CommitPosition {
    /// Position of a transaction's commit.
    #[must_use]
    pub fn new(commit_lsn: Lsn, end_lsn: Lsn, commit_time: PgTimestamp, xid: Xid) -> Self {
        Self {
            commit_lsn,
            end_lsn,
            commit_time_unix_micros: commit_time.unix_micros(),
            xid: xid.as_u32(),
        }
    }

    /// Position of a commit of which only the end is known, as in the offset of another connector: the commit record is
    /// taken to begin there too, and the transaction ID is the invalid one.
    #[must_use]
    pub fn ended_at(end_lsn: Lsn, commit_time: Option<PgTimestamp>) -> Self {
        Self {
            commit_lsn: end_lsn,
            end_lsn,
            commit_time_unix_micros: commit_time.map_or(0, PgTimestamp::unix_micros),
            xid: 0,
        }
    }

    /// Whether only the end of the transaction is known.
    #[must_use]
    pub fn is_known_by_end(&self) -> bool {
        self.commit_lsn == self.end_lsn
    }
}

/// Delivered part of a split transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Partial {
    /// Start of the transaction's commit record, which identifies the transaction.
    #[serde(with = "crate::serde_text::as_text")]
    pub commit_lsn: Lsn,
    /// Ordinal of the first change that is not in Kafka yet.
    pub next_ordinal: u64,
}

impl Partial {
    /// Whether a change of a transaction was delivered before the split.
    #[must_use]
    pub fn covers(&self, commit_lsn: Lsn, ordinal: Ordinal) -> bool {
        self.commit_lsn == commit_lsn && ordinal.as_u64() < self.next_ordinal
    }
}

impl Checkpoint {
    /// Format version that this release reads and writes.
    pub const VERSION: u32 = 1;

    /// Whether the first start was interrupted before the slot was created.
    pub(crate) fn is_unfinished(&self, source_state: &SourceState) -> bool {
        self.state == CheckpointState::CreatingSlot && source_state.slot.is_none()
    }
}

/// Contents of the checkpoint topic for one connector.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CheckpointLog {
    /// Current checkpoint; `None` before the first start.
    pub current: Option<Checkpoint>,
    /// Earlier checkpoints from which changes can be replayed, by position.
    pub history: BTreeMap<Lsn, Checkpoint>,
    /// OIDs of the tables that were captured at the last inspection; `None` if they were not stored.
    pub known_tables: Option<BTreeSet<Oid>>,
    /// Row filters and column lists with which the known tables were captured; `None` if they were not stored.
    pub restrictions: Option<Restrictions>,
    /// Schemas under which rows of tables were delivered.
    pub schemas: BTreeMap<Oid, TableHistory>,
    /// Partitions of captured tables at the last inspection.
    pub partitions: KnownPartitions,
    /// Tables that are quarantined.
    pub quarantines: Quarantines,
    /// Workers that polled the outboxes of the connector, and whose claims were not handed over to a checkpoint.
    pub polled_by: BTreeSet<u32>,
}

/// Records that one commit writes to the checkpoint topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckpointUpdate {
    /// New checkpoint.
    pub current: Checkpoint,
    /// Whether the checkpoint is also added to the history.
    pub enters_history: bool,
    /// Positions whose history records are deleted.
    pub expired: Vec<Lsn>,
    /// OIDs of the captured tables, if they have changed.
    pub known_tables: Option<BTreeSet<Oid>>,
    /// Row filters and column lists of the captured tables, if they have changed.
    pub restrictions: Option<Restrictions>,
    /// Schemas of tables that have changed.
    pub schemas: SchemaChanges,
    /// Partitions of captured tables that have changed.
    pub partitions: PartitionRecords,
    /// Quarantines of tables that have changed.
    pub quarantines: QuarantineRecords,
}

impl CheckpointUpdate {
    /// A new checkpoint and nothing else.
    #[must_use]
    pub fn of(current: Checkpoint) -> Self {
        Self {
            current,
            enters_history: false,
            expired: Vec::new(),
            known_tables: None,
            restrictions: None,
            schemas: SchemaChanges::new(),
            partitions: PartitionRecords::new(),
            quarantines: QuarantineRecords::new(),
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
