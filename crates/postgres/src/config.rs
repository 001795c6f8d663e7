//! Configuration of the source.

use std::time::Duration;

use walcast_delivery::condition::Condition;
use walcast_delivery::{CreateMissing, Partitions, is_named_like_bookmark};
use walcast_mapper::TableName;
use walcast_mapper::config::Operation;
use walcast_mapper::pattern::TablePattern;

use crate::connect::{ConnectConfig, ReadingRole};
use crate::error::PostgresError;

/// Default of [`PostgresConfig::queue_bytes`]: a few times the amount that arrives during a Kafka commit at full speed.
pub const QUEUE_BYTES_DEFAULT: usize = 4 * 1024 * 1024;

/// Default of [`PostgresConfig::leader_timeout`]: a takeover takes seconds, and a machine that is busy for a moment or migrated to
/// another host keeps its leadership.
pub const LEADER_TIMEOUT_DEFAULT: Duration = Duration::from_secs(10);

/// Whether the slot is a failover slot, which standbys synchronize (17 and later).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Failover {
    /// A created slot is a failover slot where the server supports them; an existing slot is not changed.
    #[default]
    Auto,
    /// The slot must be a failover slot: an existing slot is altered, and an older server is rejected.
    Always,
    /// A created slot is no failover slot.
    Never,
}

/// Configuration of the source.
#[derive(Clone, Debug)]
pub struct PostgresConfig {
    /// Connection parameters.
    pub connect: ConnectConfig,
    /// Name of the connector: the key of the leadership lock, and part of `application_name`.
    pub name: String,
    /// Replication slot.
    pub slot: String,
    /// Whether the slot is a failover slot.
    pub failover: Failover,
    /// What the connector creates if it is missing. Only the checks before a start depend on it.
    pub creates_missing: CreateMissing,
    /// How long a leader may be silent before another instance may take over.
    pub leader_timeout: Duration,
    /// Publication.
    pub publication: String,
    /// Patterns of the captured tables.
    pub tables: Vec<TablePattern>,
    /// Patterns of excluded tables.
    pub exclude: Vec<TablePattern>,
    /// Patterns of the tables whose key is configured, so that the key of the catalog is not used.
    pub keyed: Vec<TablePattern>,
    /// How a created publication publishes the changes of partitions.
    pub partitions: Partitions,
    /// Operations that produce events, which the publication must publish.
    pub operations: Vec<Operation>,
    /// Limit of the stream's queue in bytes; a larger message passes alone.
    pub queue_bytes: usize,
    /// `logical_decoding_work_mem` of the replication session, such as `1GB` (13 and later): the server spills larger transactions to
    /// disk before it sends them. It uses up to this much more memory.
    pub logical_decoding_work_mem: Option<String>,
    /// Patterns of captured tables whose existing rows may be read (empty: all of them); `None` reads no rows. Only the checks
    /// before a start depend on it.
    pub snapshot_tables: Option<Vec<TablePattern>>,
    /// Number of sessions that read existing rows in parallel.
    pub snapshot_parallelism: usize,
    /// How long a conflicting lock on a table is awaited before the table is read from a later snapshot.
    pub snapshot_lock_timeout: Duration,
    /// Table whose new rows are signals, if there is one.
    pub signal_table: Option<TableName>,
    /// Standby from which rows are read; `None` reads them from the streamed server.
    pub reader: Option<ConnectConfig>,
    /// Size of the disk that holds `pg_wal`; `None` when it is unknown: the size of `pg_wal` is not read then.
    pub wal_disk_size: Option<u64>,
    /// Conditions by which existing rows are read; the first one whose pattern matches a table counts.
    pub snapshot_filters: Vec<(TablePattern, Condition)>,
    /// Role that reads rows, which needs `SELECT` only; `None` is the role of [`PostgresConfig::connect`].
    pub reading_role: Option<ReadingRole>,
    /// Time in which reading rows by a request's condition must return a row.
    pub condition_timeout: Duration,
}

/// Default of [`PostgresConfig::condition_timeout`]: a table is read in chunks of a few megabytes, each of which takes less than a
/// second; before Postgres 14 the table is one chunk.
pub const CONDITION_TIMEOUT_DEFAULT: Duration = Duration::from_secs(300);

/// First version with failover slots.
pub(crate) const FAILOVER_SLOTS_SINCE: u32 = 170_000;

/// Length limit of names (`NAMEDATALEN`). Postgres truncates longer names, and two of them could become equal.
const NAME_BYTES_MAX: usize = 63;

impl PostgresConfig {
    /// Checks settings that the server would reject late or not at all.
    ///
    /// # Errors
    /// A slot name that Postgres does not allow or that bookmarks have, a publication name that it would truncate, no tables.
    pub(crate) fn validate(&self) -> Result<(), PostgresError> {
        let wrong = |setting, value: &str, problem| {
            Err(PostgresError::Setting {
                setting,
                value: value.to_owned(),
                problem,
            })
        };
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
        if self.slot.is_empty() || self.slot.len() > NAME_BYTES_MAX || !self.slot.bytes().all(plain) {
            return wrong("slot", &self.slot, "must be 1 to 63 of a-z, 0-9 and _");
        }
        if is_named_like_bookmark(&self.slot) {
            let problem = "must not begin with walcast_bm_, as the slots of bookmarks do";
            return wrong("slot", &self.slot, problem);
        }
        if self.publication.is_empty()
            || self.publication.len() > NAME_BYTES_MAX
            || self.publication.contains('\0')
        {
            return wrong("publication", &self.publication, "must be 1 to 63 bytes long");
        }
        if self.tables.is_empty() {
            return wrong(
                "tables",
                "[]",
                "selects no table; write patterns such as \"public.*\"",
            );
        }
        Ok(())
    }

    /// Whether a slot that is created on a server of this version is a failover slot.
    pub(crate) fn creates_failover_slot(&self, server_version: u32) -> bool {
        self.failover != Failover::Never && server_version >= FAILOVER_SLOTS_SINCE
    }

    /// Whether the patterns select a table.
    #[must_use]
    pub fn captures(&self, table: &TableName) -> bool {
        let matches = |patterns: &[TablePattern]| patterns.iter().any(|pattern| pattern.matches(table));
        matches(&self.tables) && !matches(&self.exclude)
    }

    /// Whether existing rows of a table may be read.
    pub(crate) fn may_read(&self, table: &TableName) -> bool {
        if self.signal_table.as_ref() == Some(table) {
            return false;
        }
        self.snapshot_tables
            .as_ref()
            .is_some_and(|tables| tables.is_empty() || tables.iter().any(|pattern| pattern.matches(table)))
    }

    /// Condition by which existing rows of a table are read; `None` reads all of them.
    pub(crate) fn snapshot_filter(&self, table: &TableName) -> Option<&Condition> {
        let mut filters = self.snapshot_filters.iter();
        let found = filters.find(|(pattern, _)| pattern.matches(table));
        found.map(|(_, filter)| filter)
    }

    /// Connection parameters of the sessions that read rows, derived from `connect`.
    pub(crate) fn reading(&self, connect: &ConnectConfig) -> ConnectConfig {
        match &self.reading_role {
            Some(role) => connect.clone().with_role(role),
            None => connect.clone(),
        }
    }

    /// Whether the publication must publish an SQL operation. An update that changes the key is a delete and a create.
    pub(crate) fn needs(&self, published: &str) -> bool {
        let has = |operation: Operation| self.operations.contains(&operation);
        match published {
            "insert" => has(Operation::Create),
            "update" => has(Operation::Create) || has(Operation::Update) || has(Operation::Delete),
            "delete" => has(Operation::Delete),
            "truncate" => has(Operation::Truncate),
            _ => false,
        }
    }

    /// `application_name`, as shown in `pg_stat_activity` and `pg_stat_replication`.
    pub(crate) fn application_name(&self) -> String {
        let own = || format!("walcast/{}", self.name);
        self.connect.application_name().map_or_else(own, str::to_owned)
    }
}
