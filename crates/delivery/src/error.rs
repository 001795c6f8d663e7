//! Why the connector stops, or tries again.

use std::time::Duration;

use walcast_mapper::{MapError, TableName};
use walcast_pgoutput::{CopyError, DecodeError, Lsn, Tid, Xid};

use crate::edge::BoxedFault;
use crate::{SystemIdentifier, Timeline, sql};

/// A session ended before it was asked to.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DeliveryError {
    /// Postgres could not be reached, refused, or broke off.
    #[error("postgres: {0}")]
    Source(#[source] BoxedFault),
    /// Kafka could not be reached, refused, or a commit is in doubt.
    #[error("kafka: {0}")]
    Sink(#[source] BoxedFault),
    /// The schema registry could not be reached or refused a schema.
    #[error("schema registry: subject {subject}: {fault}")]
    Registry {
        /// The subject.
        subject: String,
        /// What the registry said.
        #[source]
        fault: BoxedFault,
    },
    /// The stream holds something that is not of the protocol.
    #[error("the replication stream after {after} cannot be read: {source}")]
    Decode {
        /// The end of the last transaction that was read well.
        after: Lsn,
        /// What is wrong.
        #[source]
        source: DecodeError,
    },
    /// The stream's messages come in an order that the protocol excludes.
    #[error("the replication stream after {after} is out of order: {what}")]
    OutOfOrder {
        /// The end of the last transaction that was read well.
        after: Lsn,
        /// What came, and what was expected.
        what: &'static str,
    },
    /// A row cannot be mapped.
    #[error(
        "change {lsn} of transaction {xid} (commit {commit_lsn}) cannot be mapped: {source}; nothing after {after} was delivered"
    )]
    Map {
        /// The end of the last transaction that was read well.
        after: Lsn,
        /// Where the change lies.
        lsn: Lsn,
        /// The transaction.
        xid: Xid,
        /// Its commit record.
        commit_lsn: Lsn,
        /// What is wrong.
        #[source]
        source: Box<MapError>,
    },
    /// A row that was read from its table cannot be mapped.
    #[error(
        "{} of {table}, as of {lsn}, cannot be mapped: {source}; mend the row or the settings, or leave the table out of [snapshot] tables, \
         then start again: reading goes on there", row_of(*row)
    )]
    MapRow {
        /// The table.
        table: TableName,
        /// Where it lies; `None`: no row can be.
        row: Option<Tid>,
        /// The snapshot's position.
        lsn: Lsn,
        /// What is wrong.
        #[source]
        source: Box<MapError>,
    },
    /// What the server copied is no row.
    #[error("rows of {table} cannot be read: {source}")]
    CopiedRow {
        /// The table.
        table: TableName,
        /// What is wrong.
        #[source]
        source: CopyError,
    },
    /// Going on could lose or double changes.
    #[error(transparent)]
    Halt(#[from] Halt),
}

fn row_of(row: Option<Tid>) -> String {
    row.map_or_else(|| "rows".to_owned(), |row| format!("row {row}"))
}

impl DeliveryError {
    /// Whether trying again from the checkpoint can help without anybody doing something.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            DeliveryError::Source(fault)
            | DeliveryError::Sink(fault)
            | DeliveryError::Registry { fault, .. } => fault.is_retryable(),
            DeliveryError::Decode { .. }
            | DeliveryError::OutOfOrder { .. }
            | DeliveryError::Map { .. }
            | DeliveryError::MapRow { .. }
            | DeliveryError::CopiedRow { .. }
            | DeliveryError::Halt(_) => false,
        }
    }

    /// The record that Kafka refused for its size: see [`Fault::refused_record`](crate::Fault::refused_record).
    #[must_use]
    pub fn refused_record(&self) -> Option<&str> {
        match self {
            DeliveryError::Sink(fault) => fault.refused_record(),
            _ => None,
        }
    }

    /// Whether another instance with the same name has taken over.
    #[must_use]
    pub fn is_fenced(&self) -> bool {
        match self {
            DeliveryError::Source(fault)
            | DeliveryError::Sink(fault)
            | DeliveryError::Registry { fault, .. } => fault.is_fenced(),
            DeliveryError::Decode { .. }
            | DeliveryError::OutOfOrder { .. }
            | DeliveryError::Map { .. }
            | DeliveryError::MapRow { .. }
            | DeliveryError::CopiedRow { .. }
            | DeliveryError::Halt(_) => false,
        }
    }

    /// Whether going on could lose, double or invent changes, so that somebody has to decide; a restart does not help.
    #[must_use]
    pub fn halts(&self) -> bool {
        match self {
            DeliveryError::Source(fault)
            | DeliveryError::Sink(fault)
            | DeliveryError::Registry { fault, .. } => fault.halts(),
            DeliveryError::Decode { .. }
            | DeliveryError::OutOfOrder { .. }
            | DeliveryError::Map { .. }
            | DeliveryError::MapRow { .. }
            | DeliveryError::CopiedRow { .. }
            | DeliveryError::Halt(_) => true,
        }
    }

    /// Where it arose, for metrics: `postgres`, `kafka`, `registry`, `mapping` or `delivery`.
    #[must_use]
    pub fn origin(&self) -> &'static str {
        match self {
            DeliveryError::Source(_) => "postgres",
            DeliveryError::Sink(_) => "kafka",
            DeliveryError::Registry { .. } => "registry",
            DeliveryError::Map { .. } | DeliveryError::MapRow { .. } | DeliveryError::CopiedRow { .. } => {
                "mapping"
            }
            DeliveryError::Decode { .. } | DeliveryError::OutOfOrder { .. } | DeliveryError::Halt(_) => {
                "delivery"
            }
        }
    }
}

/// What resolves it that a promoted server is behind.
fn after_promotion(goes_on_at: Option<Lsn>, switched_at: Lsn) -> String {
    match goes_on_at {
        Some(lsn) => format!("then go on with: walcast checkpoint set {lsn} --accept-gap"),
        None => format!(
            "and re-read the tables concerned: this server does not have the slot either, and what was changed here after {switched_at} \
             cannot be streamed; then start over with: walcast checkpoint reset"
        ),
    }
}

/// Going on could lose or double changes, or would do so silently: somebody has to decide. Each text says what was
/// found, which positions are concerned and what resolves it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Halt {
    /// The server is of another cluster than the checkpoint.
    #[error(
        "the checkpoint at {stored} belongs to cluster {expected}, but this server is cluster {found}: it is another server, or was made anew; \
         point [postgres] url at the old cluster, or start over under another name"
    )]
    OtherCluster {
        /// The checkpoint's cluster.
        expected: SystemIdentifier,
        /// The server's.
        found: SystemIdentifier,
        /// The checkpoint's position.
        stored: Lsn,
    },
    /// The checkpoint is of another database or slot of the same cluster.
    #[error(
        "the checkpoint belongs to {what} {expected:?}, but {found:?} is configured; configure {expected:?} again, or start over under another name"
    )]
    OtherSource {
        /// `database` or `slot`.
        what: &'static str,
        /// The checkpoint's.
        expected: String,
        /// The configured one.
        found: String,
    },
    /// Somebody else advanced the slot.
    #[error(
        "slot {slot} was advanced, or dropped and made anew, by somebody else: changes in ({stored}, {confirmed}] were never delivered and the slot no longer has them; \
         re-read the tables concerned, then accept the gap with: walcast checkpoint set {confirmed} --accept-gap"
    )]
    SlotAdvanced {
        /// The slot.
        slot: String,
        /// The checkpoint's position.
        stored: Lsn,
        /// The slot's.
        confirmed: Lsn,
    },
    /// The slot is gone.
    #[error(
        "slot {slot} does not exist, but a checkpoint at {stored} does: changes after {stored} are gone with the slot; \
         re-read the tables concerned, then start over with: walcast checkpoint reset"
    )]
    SlotMissing {
        /// The slot.
        slot: String,
        /// The checkpoint's position.
        stored: Lsn,
    },
    /// The log the slot needs was removed.
    #[error(
        "slot {slot} was invalidated ({reason}): changes after {stored} are gone; drop it (SELECT pg_drop_replication_slot('{slot}')), raise max_slot_wal_keep_size, \
         re-read the tables concerned, then start over with: walcast checkpoint reset"
    )]
    SlotLost {
        /// The slot.
        slot: String,
        /// The server's reason.
        reason: String,
        /// The checkpoint's position, or the slot's when there is none.
        stored: Lsn,
    },
    /// The slot was made anew below or at another place than the checkpoint.
    #[error(
        "slot {slot} exists, but no checkpoint does: it is not known what of it was delivered; \
         to start with the changes after {confirmed}, run: walcast checkpoint set {confirmed}"
    )]
    SlotWithoutCheckpoint {
        /// The slot.
        slot: String,
        /// Its position.
        confirmed: Lsn,
    },
    /// The slot is not one that can be streamed from.
    #[error("slot {slot} cannot be used: {why}; drop it or configure another [postgres] slot")]
    SlotUnusable {
        /// The slot.
        slot: String,
        /// Why not.
        why: &'static str,
    },
    /// The connector has delivered changes that the promoted server never had.
    #[error(
        "the server was promoted to timeline {found} at {switched_at}, but changes up to {stored} of timeline {expected} are in Kafka: \
         the records in ({switched_at}, {stored}] describe changes that the database no longer has; \
         correct the consumers, {}", after_promotion(*goes_on_at, *switched_at)
    )]
    AheadOfPromoted {
        /// The checkpoint's timeline.
        expected: Timeline,
        /// The server's timeline.
        found: Timeline,
        /// Where the checkpoint's timeline was left.
        switched_at: Lsn,
        /// The end of what was delivered.
        stored: Lsn,
        /// From where the slot of the promoted server can be streamed; `None`: it has no slot.
        goes_on_at: Option<Lsn>,
    },
    /// The server does not descend from the checkpoint's timeline.
    #[error(
        "the server is on timeline {found}, which does not descend from timeline {expected} of the checkpoint at {stored}: \
         it is an old primary or was restored; point [postgres] url at the current primary, or start over with: walcast checkpoint reset"
    )]
    OtherTimeline {
        /// The checkpoint's timeline.
        expected: Timeline,
        /// The server's timeline.
        found: Timeline,
        /// The checkpoint's position.
        stored: Lsn,
    },
    /// The server's log ends before the checkpoint.
    #[error(
        "the server's log ends at {flushed}, but changes up to {stored} are in Kafka: it was restored from a backup; \
         the records in ({flushed}, {stored}] describe changes that the database no longer has; correct the consumers, then start over with: walcast checkpoint reset"
    )]
    AheadOfServer {
        /// The end of the server's log.
        flushed: Lsn,
        /// The checkpoint's position.
        stored: Lsn,
    },
    /// The server's log holds something else than what was delivered from it.
    #[error(
        "this server's log is not the one that was delivered from: {finding}; it was set back, or is a copy that was, and has written other changes since: \
         records from ({after}, {until}] may describe changes that the database does not have, and changes that it has are not in Kafka; \
         point [postgres] url at the server that was delivered from, or correct the consumers, re-read the tables, and start over with: walcast checkpoint reset"
    )]
    OtherHistory {
        /// What was found.
        finding: String,
        /// What this server's slot was told: up to there it is the same log.
        after: Lsn,
        /// The checkpoint's position.
        until: Lsn,
    },
    /// There is no publication.
    #[error("publication {publication} does not exist; create it with: {sql}")]
    PublicationMissing {
        /// The publication.
        publication: String,
        /// The statement that creates it.
        sql: String,
    },
    /// Changes of a captured table would never arrive.
    #[error(
        "table {table} is captured but not in publication {publication}, so its changes would never arrive; add it with: {sql}"
    )]
    NotPublished {
        /// The table.
        table: TableName,
        /// The publication.
        publication: String,
        /// The statement that adds it.
        sql: String,
    },
    /// The publication leaves operations out.
    #[error("publication {publication} does not publish {operations}; publish all with: {sql}")]
    OperationsUnpublished {
        /// The publication.
        publication: String,
        /// The operations, such as `update, delete`.
        operations: String,
        /// The statement that publishes them.
        sql: String,
    },
    /// A captured table is not in the log.
    #[error(
        "table {table} is unlogged, so its changes are not in the log; ALTER TABLE {} SET LOGGED, or exclude it",
        sql::table(table)
    )]
    Unlogged {
        /// The table.
        table: TableName,
    },
    /// One of the findings by which changes of captured tables do not arrive, on a connector that has delivered before.
    #[error(
        "{finding}; what was changed in ({after}, {until}] while this was so is not delivered: re-read the tables concerned"
    )]
    NotCovered {
        /// The finding.
        finding: Box<Halt>,
        /// The checkpoint's position.
        after: Lsn,
        /// The end of the server's log.
        until: Lsn,
    },
    /// A captured table has nothing that identifies a row.
    #[error(
        "table {table} has no replica identity: once published, the server would refuse its updates and deletes in the application; \
         add a primary key, or run: ALTER TABLE {} REPLICA IDENTITY FULL; or exclude it",
        sql::table(table)
    )]
    NoReplicaIdentity {
        /// The table.
        table: TableName,
    },
    /// A configured pattern chooses no table.
    #[error(
        "no table matches {pattern:?} of [postgres] tables; correct the pattern, or create the table first"
    )]
    NoTable {
        /// The pattern.
        pattern: String,
    },
    /// The server does not write what logical decoding needs.
    #[error(
        "wal_level is {found}, but logical decoding needs logical; run: ALTER SYSTEM SET wal_level = logical, and restart the server"
    )]
    WalLevel {
        /// The setting.
        found: String,
    },
    /// There is no slot, and none may be created.
    #[error(
        "slot {slot} does not exist and create = false; create it with: {sql}, then run: walcast checkpoint set with the LSN it returns"
    )]
    SlotNotCreated {
        /// The slot.
        slot: String,
        /// The statement that creates it.
        sql: String,
    },
    /// A source transaction cannot be shipped in one Kafka transaction in time.
    #[error(
        "transaction {xid} (commit {commit_lsn}) is not shipped after {} s, and Kafka would abort its transaction at {} s: raise transaction.timeout.ms \
         ([kafka] transaction_timeout_ms) and the broker's transaction.max.timeout.ms, or allow it to be split with [kafka] split_over_bytes; \
         nothing after {after} was delivered", elapsed.as_secs(), limit.as_secs()
    )]
    TransactionTooSlow {
        /// The transaction.
        xid: Xid,
        /// Its commit record.
        commit_lsn: Lsn,
        /// How long its Kafka transaction has been open.
        elapsed: Duration,
        /// `transaction.timeout.ms`.
        limit: Duration,
        /// The checkpoint's position.
        after: Lsn,
    },
}

impl Halt {
    /// Whether changes that are made meanwhile never arrive, not even once it is mended.
    pub(crate) fn hides_changes(&self) -> bool {
        matches!(
            self,
            Halt::PublicationMissing { .. }
                | Halt::NotPublished { .. }
                | Halt::OperationsUnpublished { .. }
                | Halt::Unlogged { .. }
        )
    }
}
