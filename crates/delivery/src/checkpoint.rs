//! The position up to which everything is in Kafka, as it is stored there, and its history.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use walcast_mapper::Ordinal;
use walcast_pgoutput::{Lsn, Oid, PgTimestamp, Xid};

use crate::{SnapshotProgress, SystemIdentifier, Timeline};

/// A position up to which every change is in Kafka, written in the same Kafka transaction as the last of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Checkpoint {
    /// Version of this format, [`Checkpoint::VERSION`].
    pub version: u32,
    /// What the connector was doing.
    pub state: CheckpointState,
    /// The cluster the positions belong to.
    #[serde(with = "as_text")]
    pub system_identifier: SystemIdentifier,
    /// The timeline they belong to.
    pub timeline: Timeline,
    /// The database.
    pub database: String,
    /// The slot.
    pub slot: String,
    /// Streaming goes on here: every transaction that ends at or before it is in Kafka.
    #[serde(with = "as_text")]
    pub end_lsn: Lsn,
    /// The last transaction delivered; `None` before the first, or where it is not known.
    pub last_commit: Option<CommitMark>,
    /// Where the last message outside of any transaction lies that was delivered after `last_commit`. `end_lsn` may still
    /// lie before it: only commits and an idle log move that one.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "as_optional_text")]
    pub last_message: Option<Lsn>,
    /// How much of the transaction after `end_lsn` is in Kafka already, when it had to be split.
    pub partial: Option<Partial>,
    /// Which existing rows are not in Kafka yet; `None` when all are that were to be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snapshot: Option<SnapshotProgress>,
    /// The offset in the signal topic before which signals are carried out; `None`: it was never read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signals_read: Option<i64>,
    /// When it was written, microseconds since 1970.
    pub written_at_unix_micros: i64,
}

/// What the connector was doing when a checkpoint was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CheckpointState {
    /// It was about to create its slot: whatever slot is found has delivered nothing yet.
    CreatingSlot,
    /// It streamed.
    Streaming,
}

/// A delivered transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CommitMark {
    /// Where its commit record begins.
    #[serde(with = "as_text")]
    pub commit_lsn: Lsn,
    /// Where its commit record ends.
    #[serde(with = "as_text")]
    pub end_lsn: Lsn,
    /// When it was committed, microseconds since 1970.
    pub commit_time_unix_micros: i64,
    /// The transaction.
    pub xid: u32,
}

impl CommitMark {
    /// Marks a transaction.
    #[must_use]
    pub fn new(commit_lsn: Lsn, end_lsn: Lsn, commit_time: PgTimestamp, xid: Xid) -> Self {
        Self {
            commit_lsn,
            end_lsn,
            commit_time_unix_micros: commit_time.unix_micros(),
            xid: xid.as_u32(),
        }
    }

    /// Marks a transaction of which only the end is known, as another connector's notes tell it: its commit record is
    /// taken to begin there too, and its number is the one that is never given.
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

/// How much of a transaction that had to be split is in Kafka.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Partial {
    /// The transaction, by its place in the order.
    #[serde(with = "as_text")]
    pub commit_lsn: Lsn,
    /// The first change that is not in Kafka yet.
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
    /// The format this version reads and writes.
    pub const VERSION: u32 = 1;
}

/// What the checkpoint topic holds for one connector.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CheckpointLog {
    /// The checkpoint; `None` before the first start.
    pub current: Option<Checkpoint>,
    /// Earlier checkpoints that can be replayed from, by position.
    pub history: BTreeMap<Lsn, Checkpoint>,
    /// The tables that were captured when it was last looked; `None`: that was not written down.
    pub known_tables: Option<BTreeSet<Oid>>,
}

/// What one commit writes to the checkpoint topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckpointUpdate {
    /// The new checkpoint.
    pub current: Checkpoint,
    /// Whether it is also entered into the history.
    pub enters_history: bool,
    /// Positions whose history records are deleted.
    pub expired: Vec<Lsn>,
    /// The tables that are captured, when others are than before.
    pub known_tables: Option<BTreeSet<Oid>>,
}

/// Positions and numbers that JSON readers would round are written as Postgres prints them.
pub(crate) mod as_text {
    use std::fmt::Display;
    use std::str::FromStr;

    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(crate) fn serialize<T: Display, S: Serializer>(value: &T, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(value)
    }

    pub(crate) fn deserialize<'de, T, D>(deserializer: D) -> Result<T, D::Error>
    where
        T: FromStr,
        T::Err: Display,
        D: Deserializer<'de>,
    {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(D::Error::custom)
    }
}

/// The same for what may be absent.
mod as_optional_text {
    use serde::{Deserialize, Deserializer, Serializer};
    use walcast_pgoutput::Lsn;

    #[expect(clippy::ref_option, reason = "serde hands over a reference to the field")]
    pub(super) fn serialize<S: Serializer>(value: &Option<Lsn>, serializer: S) -> Result<S::Ok, S::Error> {
        match value {
            Some(value) => super::as_text::serialize(value, serializer),
            None => serializer.serialize_none(),
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Lsn>, D::Error> {
        #[derive(Deserialize)]
        struct Text(#[serde(with = "super::as_text")] Lsn);
        Ok(Option::<Text>::deserialize(deserializer)?.map(|Text(lsn)| lsn))
    }
}

#[cfg(test)]
pub(crate) mod tests;
