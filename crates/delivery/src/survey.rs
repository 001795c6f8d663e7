//! What is found at the source, as plain values: the loss check and the set-up decide over them.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use walcast_mapper::TableName;
use walcast_pgoutput::{Lsn, Oid, ReplicaIdentity};

/// Identifies a cluster from `initdb` on; standbys and restored copies share it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SystemIdentifier(u64);

impl SystemIdentifier {
    /// Wraps the number `IDENTIFY_SYSTEM` sent.
    #[must_use]
    pub const fn new(number: u64) -> Self {
        Self(number)
    }
}

impl fmt::Display for SystemIdentifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl FromStr for SystemIdentifier {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self)
    }
}

/// A branch of a cluster's history: each promotion begins a new one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timeline(u32);

impl Timeline {
    /// Wraps the number the server sent.
    #[must_use]
    pub const fn new(number: u32) -> Self {
        Self(number)
    }

    /// The number, for machines.
    #[must_use]
    pub const fn as_u32(self) -> u32 {
        self.0
    }
}

impl fmt::Display for Timeline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// One line of a timeline history: where a timeline was left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimelineSwitch {
    /// The timeline that was left.
    pub timeline: Timeline,
    /// The end of what it shares with its successor.
    pub switched_at: Lsn,
}

/// The state of the source at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Survey {
    /// The cluster.
    pub system_identifier: SystemIdentifier,
    /// The timeline it is on.
    pub timeline: Timeline,
    /// How the cluster came to this timeline, oldest first; empty when it was not asked for or there is none.
    pub history: Vec<TimelineSwitch>,
    /// `server_version_num`, such as 170006.
    pub server_version: u32,
    /// The end of the flushed log.
    pub flush_lsn: Lsn,
    /// The database.
    pub database: String,
    /// `wal_level`, as set.
    pub wal_level: String,
    /// The configured slot; `None` when there is none.
    pub slot: Option<SlotState>,
    /// The configured publication; `None` when there is none.
    pub publication: Option<PublicationState>,
    /// The existing tables that the configured patterns choose, in name order.
    pub captured: Vec<CapturedTable>,
    /// Whose changes those of partitions are to be sent as, by a publication that is still to be made.
    pub partitions: Partitions,
    /// Configured patterns that choose no table.
    pub unmatched_patterns: Vec<String>,
}

impl Survey {
    /// Whether there is a publication, and it has a table.
    pub(crate) fn publishes(&self, table: &TableName) -> bool {
        let publication = self.publication.as_ref();
        publication.is_some_and(|publication| publication.tables.contains(table))
    }
}

/// Whose changes the changes of a partition are sent as (`publish_via_partition_root`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Partitions {
    /// Those of the topmost published table above it; before version 13 the server cannot.
    #[default]
    Root,
    /// Its own.
    Leaf,
}

/// A row of `pg_replication_slots`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SlotState {
    /// Its name.
    pub name: String,
    /// The output plugin; `None` for a physical slot.
    pub plugin: Option<String>,
    /// The database it decodes.
    pub database: Option<String>,
    /// The process that streams from it.
    pub active_pid: Option<i32>,
    /// What its consumer confirmed last.
    pub confirmed_flush_lsn: Option<Lsn>,
    /// Where decoding would begin to read; `None` when the slot was invalidated.
    pub restart_lsn: Option<Lsn>,
    /// Whether the log it needs is there; servers before 13 do not tell.
    pub wal_status: Option<WalStatus>,
    /// Why it was invalidated, as far as the server tells (17 and later), or `conflicting` (16).
    pub invalidation_reason: Option<String>,
    /// Bytes of log the slot holds back.
    pub retained_bytes: u64,
    /// Whether it vanishes with the session that made it.
    pub temporary: bool,
    /// Whether prepared transactions are sent when they are prepared.
    pub two_phase: bool,
}

/// `pg_replication_slots.wal_status`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WalStatus {
    /// Within `max_wal_size`.
    Reserved,
    /// Beyond it, still kept.
    Extended,
    /// About to be removed at the next checkpoint.
    Unreserved,
    /// Removed: the slot is of no use any more.
    Lost,
}

/// A publication.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicationState {
    /// `FOR ALL TABLES`.
    pub all_tables: bool,
    /// The tables it publishes now (`pg_publication_tables`), in name order.
    pub tables: Vec<TableName>,
    /// Operations that make events and that it leaves out, of `insert`, `update`, `delete`, `truncate`.
    pub unpublished: Vec<&'static str>,
    /// Tables with a row filter or a column list, which hide changes on purpose (15 and later).
    pub restricted: Vec<TableName>,
}

/// A table that is to be captured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CapturedTable {
    /// Its name.
    pub name: TableName,
    /// Its number.
    pub oid: Oid,
    /// Whether it is logged at all.
    pub persistence: Persistence,
    /// What old tuples hold.
    pub replica_identity: ReplicaIdentity,
    /// Whether the replica identity identifies a row: without it the server refuses updates and deletes of a published
    /// table, in the application.
    pub identifies_rows: bool,
}

/// `pg_class.relpersistence`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Persistence {
    /// Written to the log.
    Permanent,
    /// Never written to the log.
    Unlogged,
    /// Of one session.
    Temporary,
}
