//! Errors of a session.

use walcast_mapper::{MapError, TableName};
use walcast_pgoutput::{CopyError, DecodeError, Lsn, Tid, Xid};

use crate::halt::Halt;
use crate::port_error::{BoxedPortError, Detail, Disposition};

/// Error that ends a session.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DeliveryError {
    /// Postgres cannot be reached, rejected a statement, or closed the connection.
    #[error("postgres: {0}")]
    Source(#[source] BoxedPortError),
    /// Kafka cannot be reached, rejected a request, or the outcome of a commit is unknown.
    #[error("kafka: {0}")]
    Sink(#[source] BoxedPortError),
    /// The schema registry cannot be reached or rejected a schema.
    #[error("schema registry: subject {subject}: {fault}")]
    Registry {
        /// The subject.
        subject: String,
        /// Error of the registry.
        #[source]
        fault: BoxedPortError,
    },
    /// A message of the stream cannot be decoded.
    #[error("the replication stream after {after} cannot be read: {source}")]
    Decode {
        /// End of the last transaction that was read without error.
        after: Lsn,
        /// Cause.
        #[source]
        source: DecodeError,
    },
    /// A message of the stream must not follow the one before it.
    #[error("the replication stream after {after} is out of order: {what}")]
    OutOfOrder {
        /// End of the last transaction that was read without error.
        after: Lsn,
        /// Violation.
        what: &'static str,
    },
    /// A row cannot be mapped.
    #[error(
        "change {lsn} of transaction {xid} (commit {commit_lsn}) cannot be mapped: {source}; nothing after {after} was delivered"
    )]
    Map {
        /// End of the last transaction that was read without error.
        after: Lsn,
        /// Position of the change.
        lsn: Lsn,
        /// The transaction.
        xid: Xid,
        /// Its commit record.
        commit_lsn: Lsn,
        /// Cause.
        #[source]
        source: Box<MapError>,
    },
    /// A message outside of transactions, which is an event of an outbox, cannot be mapped.
    #[error("message {lsn} cannot be mapped: {source}; nothing after {after} was delivered")]
    MapMessage {
        /// End of the last transaction that was read without error.
        after: Lsn,
        /// Position of the message.
        lsn: Lsn,
        /// Cause.
        #[source]
        source: Box<MapError>,
    },
    /// A row that was read from its table cannot be mapped.
    #[error("{} of {table}, as of {lsn}, cannot be mapped: {source}", row_of(*row))]
    MapRow {
        /// The table.
        table: TableName,
        /// Physical location of the row; `None` if no row of the table can be mapped.
        row: Option<Tid>,
        /// The snapshot's position.
        lsn: Lsn,
        /// Cause.
        #[source]
        source: Box<MapError>,
    },
    /// The server's copy of a row cannot be decoded.
    #[error("rows of {table} cannot be read: {source}")]
    CopiedRow {
        /// The table.
        table: TableName,
        /// Cause.
        #[source]
        source: CopyError,
    },
    /// Continuing could lose or double changes.
    #[error(transparent)]
    Halt(#[from] Halt),
}

fn row_of(row: Option<Tid>) -> String {
    row.map_or_else(|| "rows".to_owned(), |row| format!("row {row}"))
}

impl DeliveryError {
    /// What the connector does about the error.
    #[must_use]
    pub fn disposition(&self) -> Disposition {
        match self {
            DeliveryError::Source(error)
            | DeliveryError::Sink(error)
            | DeliveryError::Registry { fault: error, .. } => error.disposition(),
            DeliveryError::Decode { .. }
            | DeliveryError::OutOfOrder { .. }
            | DeliveryError::Map { .. }
            | DeliveryError::MapMessage { .. }
            | DeliveryError::MapRow { .. }
            | DeliveryError::CopiedRow { .. }
            | DeliveryError::Halt(_) => Disposition::Halt,
        }
    }

    /// What the error concerns, where the connector can do more than its disposition says.
    #[must_use]
    pub fn detail(&self) -> Option<Detail<'_>> {
        match self {
            DeliveryError::Source(error)
            | DeliveryError::Sink(error)
            | DeliveryError::Registry { fault: error, .. } => error.detail(),
            DeliveryError::Decode { .. }
            | DeliveryError::OutOfOrder { .. }
            | DeliveryError::Map { .. }
            | DeliveryError::MapMessage { .. }
            | DeliveryError::MapRow { .. }
            | DeliveryError::CopiedRow { .. }
            | DeliveryError::Halt(_) => None,
        }
    }

    /// Whether a retry from the checkpoint can succeed without an operator's action.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        self.disposition() == Disposition::Retry
    }

    /// Whether a start retries too. See [`PortError::passes_by_itself`](crate::PortError::passes_by_itself).
    #[must_use]
    pub fn passes_by_itself(&self) -> bool {
        match self {
            DeliveryError::Source(error)
            | DeliveryError::Sink(error)
            | DeliveryError::Registry { fault: error, .. } => error.passes_by_itself(),
            _ => false,
        }
    }

    /// Whether another instance with the same name has taken over.
    #[must_use]
    pub fn is_fenced(&self) -> bool {
        self.disposition() == Disposition::Fenced
    }

    /// Whether continuing could lose, double or invent changes, so that an operator must decide; a restart does not help.
    #[must_use]
    pub fn halts(&self) -> bool {
        self.disposition() == Disposition::Halt
    }

    /// Component in which the error arose, for metrics: `postgres`, `kafka`, `registry`, `mapping` or `delivery`.
    #[must_use]
    pub fn origin(&self) -> &'static str {
        match self {
            DeliveryError::Source(_) => "postgres",
            DeliveryError::Sink(_) => "kafka",
            DeliveryError::Registry { .. } => "registry",
            DeliveryError::Map { .. }
            | DeliveryError::MapMessage { .. }
            | DeliveryError::MapRow { .. }
            | DeliveryError::CopiedRow { .. } => "mapping",
            DeliveryError::Decode { .. } | DeliveryError::OutOfOrder { .. } | DeliveryError::Halt(_) => {
                "delivery"
            }
        }
    }
}
