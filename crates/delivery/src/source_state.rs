//! State of the source as plain values: input of the loss check and of the setup.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use walcast_mapper::TableName;
use walcast_pgoutput::{Lsn, Oid, ReplicaIdentity, Xid};

use self::restriction::Restriction;

#[cfg(test)]
pub(crate) mod fixture;
pub(crate) mod restriction;

/// System identifier of a cluster, assigned by `initdb`; standbys and restored copies share it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SystemIdentifier(u64);

impl SystemIdentifier {
    /// Wraps the number that `IDENTIFY_SYSTEM` returns.
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

/// Timeline: a branch of a cluster's history. Each promotion begins a new one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timeline(u32);

impl Timeline {
    /// Wraps the number that the server returns.
    #[must_use]
    pub const fn new(number: u32) -> Self {
        Self(number)
    }

    /// Number of the timeline, for machines.
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

/// Line of a timeline history file: the point where a timeline ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimelineSwitch {
    /// Timeline that ended.
    pub timeline: Timeline,
    /// End of the WAL that the timeline shares with its successor.
    pub switched_at: Lsn,
}

/// Names of the captured tables by their OIDs.
pub(crate) type CapturedNames = BTreeMap<Oid, TableName>;

/// State of the source at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceState {
    /// System identifier of the cluster.
    pub system_identifier: SystemIdentifier,
    /// Current timeline of the cluster.
    pub timeline: Timeline,
    /// Timeline history, oldest first; empty if the history was not requested or does not exist.
    pub history: Vec<TimelineSwitch>,
    /// Server version (`server_version_num`), such as 170006.
    pub server_version: u32,
    /// End of the flushed WAL.
    pub flush_lsn: Lsn,
    /// Name of the database.
    pub database: String,
    /// Setting `wal_level`.
    pub wal_level: String,
    /// State of the configured slot; `None` if the slot does not exist.
    pub slot: Option<SlotState>,
    /// State of the configured publication; `None` if the publication does not exist.
    pub publication: Option<PublicationState>,
    /// Existing tables that match the configured patterns, in name order.
    pub captured: Vec<CapturedTable>,
    /// OIDs of all tables outside of the system schemas, captured or not.
    pub tables: BTreeSet<Oid>,
    /// Table whose name changes of partitions carry in a publication that is still to be created.
    pub partitions: Partitions,
    /// Configured patterns that match no table.
    pub unmatched_patterns: Vec<String>,
    /// Captured tables whose rows are read if they are not in Kafka yet, and that the reading role may not read, each with the statements
    /// that grant it.
    pub denied: BTreeMap<TableName, String>,
    /// Membership of captured tables in the publication, by OID: a text that is another one after the table has left the publication
    /// and come back. Tables that are not published have none.
    pub memberships: BTreeMap<Oid, String>,
}

impl SourceState {
    /// Whether the publication exists and contains the table.
    #[must_use]
    pub fn publishes(&self, table: &TableName) -> bool {
        let publication = self.publication.as_ref();
        publication.is_some_and(|publication| publication.tables.contains(table))
    }

    /// Names of the captured tables by their OIDs.
    pub(crate) fn captured_names(&self) -> CapturedNames {
        let captured = self.captured.iter();
        captured.map(|table| (table.oid, table.name.clone())).collect()
    }

    /// The same state with those of the captured tables that are chosen.
    pub(crate) fn restricted(&self, is_chosen: impl Fn(&CapturedTable) -> bool) -> Self {
        let captured = self.captured.iter();
        Self {
            captured: captured.filter(|table| is_chosen(table)).cloned().collect(),
            ..self.clone()
        }
    }
}

/// Table whose name changes of partitions carry (`publish_via_partition_root`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Partitions {
    /// Topmost published ancestor; not supported by servers before version 13.
    #[default]
    Root,
    /// The partition itself.
    Leaf,
}

/// Row of `pg_replication_slots`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SlotState {
    /// Name of the slot.
    pub name: String,
    /// Output plugin; `None` for a physical slot.
    pub plugin: Option<String>,
    /// Database that the slot decodes.
    pub database: Option<String>,
    /// Process that uses the slot: it streams from the slot, or creates it.
    pub active_pid: Option<i32>,
    /// What is known of that process; `None` if the slot is not in use, or the server does not show the process.
    pub holder: Option<SlotHolder>,
    /// Position up to which the slot is confirmed (`confirmed_flush_lsn`).
    pub confirmed_flush_lsn: Option<Lsn>,
    /// Position at which decoding would begin to read; `None` if the slot was invalidated.
    pub restart_lsn: Option<Lsn>,
    /// Availability of the WAL that the slot needs; `None` on servers before version 13.
    pub wal_status: Option<WalStatus>,
    /// Reason of the invalidation, if the server reports one (version 17 and later), or `conflicting` (version 16).
    pub invalidation_reason: Option<String>,
    /// Bytes of WAL that the slot retains.
    pub retained_bytes: u64,
    /// Whether the slot is dropped with the session that created it.
    pub temporary: bool,
    /// Whether prepared transactions are sent at `PREPARE TRANSACTION`.
    pub two_phase: bool,
}

impl SlotState {
    /// Process that is creating the slot. The creation waits for running transactions: until it ends, the slot is in use and
    /// has no confirmed position.
    #[must_use]
    pub fn creator(&self) -> Option<SlotHolder> {
        let is_incomplete = self.plugin.is_some() && !self.temporary && self.confirmed_flush_lsn.is_none();
        self.active_pid.filter(|_| is_incomplete)?;
        self.user()
    }

    /// Process that uses the slot.
    #[must_use]
    pub fn user(&self) -> Option<SlotHolder> {
        let pid = self.active_pid?;
        Some(self.holder.clone().unwrap_or(SlotHolder {
            pid,
            application_name: None,
            client: None,
            is_connector: false,
        }))
    }
}

/// Process that uses a slot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SlotHolder {
    /// Process ID.
    pub pid: i32,
    /// `application_name` of the session, if the server shows it.
    pub application_name: Option<String>,
    /// Address of the client, if the server shows it; a client on the server's machine can have none.
    pub client: Option<String>,
    /// Whether the session has the role and the `application_name` of the connector.
    pub is_connector: bool,
}

impl fmt::Display for SlotHolder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "process {}", self.pid)?;
        match (&self.application_name, &self.client) {
            (Some(name), Some(client)) => write!(f, " (application_name {name:?}, client {client})"),
            (Some(name), None) => write!(f, " (application_name {name:?})"),
            (None, Some(client)) => write!(f, " (client {client})"),
            (None, None) => Ok(()),
        }
    }
}

/// Availability of the WAL that a slot needs (`pg_replication_slots.wal_status`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WalStatus {
    /// Retained within `max_wal_size`.
    Reserved,
    /// Retained beyond `max_wal_size`.
    Extended,
    /// Subject to removal at the next checkpoint.
    Unreserved,
    /// Removed: the slot is unusable.
    Lost,
}

/// State of a publication.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicationState {
    /// Whether the publication is `FOR ALL TABLES`.
    pub all_tables: bool,
    /// Tables that are published now (`pg_publication_tables`), in name order.
    pub tables: Vec<TableName>,
    /// Operations that make events and are not published, of `insert`, `update`, `delete`, `truncate`.
    pub unpublished: Vec<&'static str>,
    /// Row filters and column lists of tables (version 15 and later).
    pub restricted: BTreeMap<TableName, Restriction>,
}

/// Captured table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CapturedTable {
    /// Name of the table.
    pub name: TableName,
    /// OID of the table.
    pub oid: Oid,
    /// Persistence, which decides whether changes are written to WAL.
    pub persistence: Persistence,
    /// Replica identity, which decides what old tuples contain.
    pub replica_identity: ReplicaIdentity,
    /// Whether the replica identity identifies a row. Without it, the server rejects the application's updates and
    /// deletes of a published table.
    pub identifies_rows: bool,
    /// Whether the replica identity contains a generated column that the publication does not publish: the server then
    /// rejects updates and deletes too (version 18 and later).
    pub identity_is_generated: bool,
    /// Generated columns of the table's key that the server does not send (before version 18), unless the configuration gives the
    /// table a key: the other columns do not identify a row.
    pub unsent_key_columns: Vec<String>,
    /// Whether a pattern is the table's name, so that the table is captured on purpose and not for its schema.
    pub is_named: bool,
    /// All partitions below the table, if it is partitioned and their changes are published as its own. Their replica identities
    /// are part of `identifies_rows`.
    pub partitions: Option<Vec<Partition>>,
}

/// Partition of a captured table whose changes are published as those of the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Partition {
    /// OID of the partition.
    pub oid: Oid,
    /// Name of the partition.
    pub name: TableName,
    /// OID of the table above it: the captured table, or a partition.
    pub parent: Oid,
    /// Whether it stores rows, and is not itself partitioned.
    pub is_leaf: bool,
    /// Its `relfilenode`; 0 if it stores no rows.
    pub file: Oid,
    /// Transaction that made it a partition.
    pub attached_by: Xid,
    /// Whether it was created as a partition, and not attached later.
    pub was_created_as_partition: bool,
    /// Last transaction that altered, truncated or rewrote it.
    pub altered_by: Xid,
    /// Persistence, which may differ from that of the table.
    pub persistence: Persistence,
    /// As [`CapturedTable::identifies_rows`].
    pub identifies_rows: bool,
    /// As [`CapturedTable::identity_is_generated`].
    pub identity_is_generated: bool,
    /// Whether the configuration excludes it by its name.
    pub is_excluded: bool,
}

impl CapturedTable {
    /// Whether publishing the table makes its changes arrive and harms no application: the table is written to WAL, the server rejects
    /// no update of it and sends the columns of its key.
    #[must_use]
    pub fn is_publishable(&self) -> bool {
        self.persistence == Persistence::Permanent
            && self.identifies_rows
            && self.unsent_key_columns.is_empty()
    }
}

/// Persistence of a table (`pg_class.relpersistence`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Persistence {
    /// Written to WAL.
    Permanent,
    /// Never written to WAL.
    Unlogged,
    /// Visible to one session only.
    Temporary,
}
