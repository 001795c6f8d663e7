//! Claims: rows of an outbox that a worker publishes, and their keys, which travel in the Kafka transaction of their events.

use walcast_mapper::config::OutboxRule;
use walcast_mapper::{RowId, TableMetadata, TableName};
use walcast_pgoutput::{Lsn, Oid, PgTimestamp, Relation};

/// Outbox that is polled.
#[derive(Clone, Debug)]
pub struct PolledTable {
    /// Description as in a Relation message.
    pub relation: Relation,
    /// Metadata from the catalog.
    pub metadata: TableMetadata,
    /// Rule of the outbox.
    pub rule: OutboxRule,
}

impl PolledTable {
    /// Name of the table.
    #[must_use]
    pub fn name(&self) -> TableName {
        TableName::from(&self.relation)
    }
}

/// Part of the keys of an outbox: those whose hash, modulo `of`, is `number`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HashRange {
    /// Number of the part, from 0.
    pub number: u32,
    /// Number of parts.
    pub of: u32,
}

/// Values of the primary key of a row, as texts in the order of the key, and a digest of what its event is, as the source makes it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RowKey(pub Vec<String>);

/// Row of an outbox that a worker has claimed.
#[derive(Clone, Debug)]
pub struct ClaimedRow {
    /// Primary key.
    pub key: RowKey,
    /// Place of the row.
    pub id: RowId,
    /// Values of the relation's columns as the stream would contain them.
    pub tuple: Vec<u8>,
}

/// Rows that a worker has claimed, in the order of their events. They stay locked until they are marked.
#[derive(Clone, Debug)]
pub struct ClaimedRows {
    /// End of WAL when the rows were read.
    pub lsn: Lsn,
    /// Time at which the rows were read.
    pub read_at: PgTimestamp,
    /// The rows; empty if nothing is claimed.
    pub rows: Vec<ClaimedRow>,
    /// Whether rows wait for transactions that still write to the outbox, or for the lock of another session.
    pub is_waiting: bool,
}

/// Keys of the rows whose events are in the last Kafka transaction of a worker. It is all the state of a worker: with it, the rows are
/// marked after a failure between Kafka's commit and that of Postgres.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// OID of the table.
    pub table: Oid,
    /// Name of the table, for messages.
    pub name: TableName,
    /// Keys of the rows. Empty if every event of the worker belongs to a marked row.
    pub keys: Vec<RowKey>,
}

impl Claim {
    /// Claim without rows.
    #[must_use]
    pub fn none() -> Self {
        Self {
            table: Oid::new(0),
            name: TableName {
                namespace: String::new(),
                name: String::new(),
            },
            keys: Vec::new(),
        }
    }
}
