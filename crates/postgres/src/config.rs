//! What the source can be told.

use std::time::Duration;

use walcast_delivery::Partitions;
use walcast_mapper::{Operation, TableName, TablePattern};

use crate::connect::ConnectConfig;
use crate::error::PostgresError;

/// The default for [`PostgresConfig::queue_bytes`]: what arrives during a Kafka commit at full speed, a few times over.
pub const QUEUE_BYTES_DEFAULT: usize = 4 * 1024 * 1024;

/// The default for [`PostgresConfig::lead_timeout`]: a takeover takes seconds, and a machine that is busy for a moment or moved
/// to another host keeps its lead.
pub const LEAD_TIMEOUT_DEFAULT: Duration = Duration::from_secs(10);

/// Whether the slot is to be there on a standby that is promoted (`failover`, 17 and later).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Failover {
    /// A slot that we create is a failover slot where the server knows them; one that exists is left as it is.
    #[default]
    Auto,
    /// It has to be: one that exists is altered, and an older server is refused.
    Always,
    /// A slot that we create is none.
    Never,
}

/// Settings of the source.
#[derive(Clone, Debug)]
pub struct PostgresConfig {
    /// How to connect.
    pub connect: ConnectConfig,
    /// The connector's name: leadership is held under it, and the server shows it as `application_name`.
    pub name: String,
    /// The slot.
    pub slot: String,
    /// Whether the slot is to survive a failover.
    pub failover: Failover,
    /// How long a leader may be silent before another instance may lead.
    pub lead_timeout: Duration,
    /// The publication.
    pub publication: String,
    /// Which tables are captured.
    pub tables: Vec<TablePattern>,
    /// Which of them are not.
    pub exclude: Vec<TablePattern>,
    /// Whose changes those of partitions are, in a publication that we create.
    pub partitions: Partitions,
    /// The operations that make events: the publication must let them through.
    pub operations: Vec<Operation>,
    /// How much of the stream may wait to be taken, in bytes; one larger message passes alone.
    pub queue_bytes: usize,
    /// `logical_decoding_work_mem` of our session, such as `1GB` (server 13 and later): larger transactions are written to
    /// the server's disk before they are sent. The server takes up to this much more memory.
    pub logical_decoding_work_mem: Option<String>,
    /// Of which captured tables existing rows may be read (empty: of all); `None`: no rows are. Only what is checked before a
    /// start depends on it.
    pub snapshot_tables: Option<Vec<TablePattern>>,
    /// How many sessions read existing rows at once.
    pub snapshot_connections: usize,
    /// How long somebody's lock on a table is waited for, before it is read from a later snapshot.
    pub snapshot_lock_timeout: Duration,
    /// The table whose new rows are signals; `None`: there is none.
    pub signal_table: Option<TableName>,
    /// The standby that rows are read from; `None`: they are read from the server whose changes are streamed.
    pub reader: Option<ConnectConfig>,
    /// How large `pg_wal` may become before its disk is full; `None`: that is not known, and its size is not asked for.
    pub wal_disk: Option<u64>,
    /// Which rows are read, by table: a condition in SQL. The first that is for a table counts.
    pub snapshot_filters: Vec<(TablePattern, String)>,
}

/// Postgres cuts longer names off (`NAMEDATALEN`), and then two would be the same.
const NAME_BYTES_MAX: usize = 63;

impl PostgresConfig {
    /// Checks what only the server would complain about, late or not at all.
    ///
    /// # Errors
    /// A slot name that Postgres does not allow, a publication name that it would cut off, no tables.
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
                "chooses no table; write patterns such as \"public.*\"",
            );
        }
        Ok(())
    }

    /// Whether the patterns choose a table.
    #[must_use]
    pub fn captures(&self, table: &TableName) -> bool {
        let chosen = |patterns: &[TablePattern]| patterns.iter().any(|pattern| pattern.matches(table));
        chosen(&self.tables) && !chosen(&self.exclude)
    }

    /// Whether existing rows of a table may have to be read.
    pub(crate) fn may_read(&self, table: &TableName) -> bool {
        if self.signal_table.as_ref() == Some(table) {
            return false;
        }
        self.snapshot_tables
            .as_ref()
            .is_some_and(|tables| tables.is_empty() || tables.iter().any(|pattern| pattern.matches(table)))
    }

    /// Which existing rows of a table are read; `None`: all.
    pub(crate) fn snapshot_filter(&self, table: &TableName) -> Option<&str> {
        let mut filters = self.snapshot_filters.iter();
        let found = filters.find(|(pattern, _)| pattern.matches(table));
        found.map(|(_, filter)| filter.as_str())
    }

    /// Whether a publication must let an operation of SQL through. An update can move a key, which is a delete and a create.
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

    /// What `pg_stat_activity` and `pg_stat_replication` show.
    pub(crate) fn application_name(&self) -> String {
        let own = || format!("walcast/{}", self.name);
        self.connect.application_name().map_or_else(own, str::to_owned)
    }
}
