//! Halts: findings because of which the connector must not continue.

use std::time::Duration;

use walcast_mapper::TableName;
use walcast_pgoutput::{Lsn, Xid};

use crate::source_state::restriction::RestrictedBy;
use crate::source_state::{SlotHolder, SystemIdentifier, Timeline};

/// Finding because of which continuing could lose or double changes: an operator must decide. Each text states the finding and
/// the positions concerned; the program that shows the finding adds the remedy.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Halt {
    /// The server belongs to another cluster than the checkpoint.
    #[error(
        "the checkpoint at {stored} belongs to cluster {expected}, but this server is cluster {found}: it is a different server, or was initialized again"
    )]
    OtherCluster {
        /// The checkpoint's cluster.
        expected: SystemIdentifier,
        /// The server's.
        found: SystemIdentifier,
        /// The checkpoint's position.
        stored: Lsn,
        /// Position of the slot of this server; `None` if it has no usable slot.
        slot_at: Option<Lsn>,
    },
    /// The checkpoint belongs to another database or slot of the cluster.
    #[error("the checkpoint belongs to {what} {expected:?}, but {found:?} is configured")]
    OtherSource {
        /// `database` or `slot`.
        what: &'static str,
        /// The checkpoint's.
        expected: String,
        /// The configured one.
        found: String,
    },
    /// Another client advanced the slot.
    #[error(
        "slot {slot} was advanced, or dropped and recreated, by another client: changes in ({stored}, {confirmed}] were never delivered and the slot no longer has them"
    )]
    SlotAdvanced {
        /// The slot.
        slot: String,
        /// The checkpoint's position.
        stored: Lsn,
        /// The slot's.
        confirmed: Lsn,
    },
    /// The slot does not exist.
    #[error(
        "slot {slot} does not exist, but a checkpoint at {stored} does: changes after {stored} are gone with the slot"
    )]
    SlotMissing {
        /// The slot.
        slot: String,
        /// The checkpoint's position.
        stored: Lsn,
    },
    /// A rewind to a bookmark dropped the slot and was interrupted before it made the new one.
    #[error(
        "slot {slot} does not exist, because a rewind to a bookmark was interrupted when it replaced the slot; the checkpoint is at {stored}"
    )]
    SlotNotReplaced {
        /// The slot.
        slot: String,
        /// The checkpoint's position.
        stored: Lsn,
    },
    /// The WAL that the slot needs was removed.
    #[error("slot {slot} was invalidated ({reason}): changes after {stored} are gone")]
    SlotLost {
        /// The slot.
        slot: String,
        /// The server's reason.
        reason: String,
        /// The checkpoint's position, or the slot's when there is none.
        stored: Lsn,
    },
    /// The slot exists and Kafka holds records, but no checkpoint says which changes they are.
    #[error(
        "slot {slot} exists, but no checkpoint does, and topic {topic} holds records: it is not known which changes of the slot, and \
         which existing rows, are among them"
    )]
    SlotWithoutCheckpoint {
        /// The slot.
        slot: String,
        /// Its position.
        confirmed: Lsn,
        /// A topic of a captured table that holds records.
        topic: String,
    },
    /// The slot exists, no checkpoint does, and another program streams from the slot.
    #[error(
        "slot {slot} is in use by {holder}, and no checkpoint exists: another program delivers from the slot"
    )]
    SlotInUse {
        /// The slot.
        slot: String,
        /// Process that uses the slot.
        holder: SlotHolder,
    },
    /// The slot exists, and the publication does not: the server cannot decode the WAL before the publication.
    #[error(
        "slot {slot} exists, but publication {publication} does not: the server cannot decode changes that are older than the publication"
    )]
    SlotBeforePublication {
        /// The slot.
        slot: String,
        /// The publication.
        publication: String,
    },
    /// The slot cannot be streamed from.
    #[error("slot {slot} cannot be used: {why}")]
    SlotUnusable {
        /// The slot.
        slot: String,
        /// Reason.
        why: &'static str,
    },
    /// The slot was created with `two_phase`.
    #[error(
        "slot {slot} was created with two_phase, so that the server sends prepared transactions before they are committed"
    )]
    SlotTwoPhase {
        /// The slot.
        slot: String,
    },
    /// The connector has delivered changes that the promoted server never had.
    #[error(
        "the server was promoted to timeline {found} at {switched_at}, but changes up to {stored} of timeline {expected} are in Kafka: \
         the records in ({switched_at}, {stored}] describe changes that the database no longer has"
    )]
    AheadOfPromoted {
        /// The checkpoint's timeline.
        expected: Timeline,
        /// The server's timeline.
        found: Timeline,
        /// Position at which the server left the checkpoint's timeline.
        switched_at: Lsn,
        /// End of the delivered changes.
        stored: Lsn,
        /// Position from which the promoted server can stream; `None` if it has no slot.
        resumes_at: Option<Lsn>,
    },
    /// The server does not descend from the checkpoint's timeline.
    #[error(
        "the server is on timeline {found}, which does not descend from timeline {expected} of the checkpoint at {stored}: \
         it is an old primary or was restored"
    )]
    OtherTimeline {
        /// The checkpoint's timeline.
        expected: Timeline,
        /// The server's timeline.
        found: Timeline,
        /// The checkpoint's position.
        stored: Lsn,
    },
    /// The server's WAL ends before the checkpoint.
    #[error(
        "the server's WAL ends at {flushed}, but changes up to {stored} are in Kafka: it was restored from a backup; \
         the records in ({flushed}, {stored}] describe changes that the database no longer has"
    )]
    AheadOfServer {
        /// End of the server's WAL.
        flushed: Lsn,
        /// The checkpoint's position.
        stored: Lsn,
    },
    /// The server's WAL differs from what was delivered.
    #[error(
        "this server's history is not the one that was delivered: {finding}; the server was restored to an earlier state, or is a copy of one that was, and has written other changes since: \
         records from ({after}, {until}] may describe changes that the database does not have, and changes that it has are not in Kafka"
    )]
    DivergedHistory {
        /// Finding.
        finding: String,
        /// Confirmed position of the slot: up to it the history is the same.
        after: Lsn,
        /// The checkpoint's position.
        until: Lsn,
    },
    /// The publication does not exist.
    #[error("publication {publication} does not exist")]
    PublicationMissing {
        /// The publication.
        publication: String,
        /// The statement that creates it.
        sql: String,
    },
    /// A captured table is not published.
    #[error(
        "table {table} is captured but not in publication {publication}, so its changes would never arrive"
    )]
    NotPublished {
        /// The table.
        table: TableName,
        /// The publication.
        publication: String,
        /// The statement that adds it.
        sql: String,
    },
    /// The publication does not publish all operations.
    #[error("publication {publication} does not publish {operations}")]
    OperationsUnpublished {
        /// The publication.
        publication: String,
        /// The operations, such as `update, delete`.
        operations: String,
        /// The statement that publishes them.
        sql: String,
    },
    /// The publication has a row filter or a column list that it did not have when the table was captured.
    #[error(
        "publication {publication} has {by} for table {table} that it did not have when the table was captured: what it hides is not \
         delivered"
    )]
    Restricted {
        /// The table.
        table: TableName,
        /// The publication.
        publication: String,
        /// Part of the restriction.
        by: RestrictedBy,
        /// The statements that remove it, if the table had no restriction before.
        sql: Option<String>,
    },
    /// A captured table is unlogged.
    #[error("table {table} is unlogged, so its changes are not in the WAL")]
    Unlogged {
        /// The table.
        table: TableName,
    },
    /// Finding because of which changes of captured tables do not arrive, of a connector that has delivered before.
    #[error("{finding}; what was changed in ({after}, {until}] while this was so is not delivered")]
    NotCovered {
        /// The finding.
        finding: Box<Halt>,
        /// The checkpoint's position.
        after: Lsn,
        /// End of the server's WAL.
        until: Lsn,
    },
    /// A captured table has no replica identity.
    #[error(
        "table {table} has no replica identity: once published, the server would reject its updates and deletes in the application"
    )]
    NoReplicaIdentity {
        /// The table.
        table: TableName,
    },
    /// The replica identity of a captured table contains a generated column that is not published.
    #[error(
        "the replica identity of table {table} contains a generated column that is not published: once published, the server would reject \
         its updates and deletes in the application"
    )]
    GeneratedIdentity {
        /// The table.
        table: TableName,
    },
    /// The key of a captured table contains generated columns that the server does not send.
    #[error(
        "the key of table {table} contains generated columns ({columns}) that the server does not send: records of different rows \
         would have the same key"
    )]
    KeyNotSent {
        /// The table.
        table: TableName,
        /// The columns.
        columns: String,
    },
    /// A partition whose changes are published as those of a captured table has no replica identity.
    #[error(
        "partition {partition} of table {table} has no replica identity: once {table} is published, the server would reject updates and \
         deletes of the partition in the application"
    )]
    NoPartitionIdentity {
        /// The partition.
        partition: TableName,
        /// The captured table.
        table: TableName,
    },
    /// A partition whose changes are published as those of a captured table is unlogged.
    #[error("partition {partition} of table {table} is unlogged, so its changes are not in the WAL")]
    UnloggedPartition {
        /// The partition.
        partition: TableName,
        /// The captured table.
        table: TableName,
    },
    /// Rows of a captured table are to be read, and the connector's role may not read them.
    #[error("the rows of table {table} are to be read, and the role that reads them may not")]
    RowsDenied {
        /// The table.
        table: TableName,
        /// Statements that grant it.
        sql: String,
    },
    /// The configuration excludes a partition whose changes are published as those of a captured table.
    #[error(
        "partition {partition} is excluded, but its changes are published as changes of table {table}, and cannot be distinguished from them"
    )]
    ExcludedPartition {
        /// The partition.
        partition: TableName,
        /// The captured table.
        table: TableName,
    },
    /// Two captured tables would have one topic.
    #[error(
        "tables {:?} and {:?} would share topic {topic}, which would mix their rows: a topic has _ for each character that \
         it cannot have", tables[0].to_string(), tables[1].to_string()
    )]
    SharedTopic {
        /// The tables; the topic would be the first one's.
        tables: Box<[TableName; 2]>,
        /// The topic.
        topic: String,
    },
    /// The topic of a captured table holds events of an outbox.
    #[error(
        "rows of {} would be written to topic {topic}, which holds events of outbox {}", tables[0], tables[1]
    )]
    TopicOfOutbox {
        /// The table, and the outbox.
        tables: Box<[TableName; 2]>,
        /// The topic.
        topic: String,
    },
    /// An outbox of messages is configured, and the server sends none.
    #[error("an outbox has logical decoding messages as its source, which servers send from version 14 on; this is version {}", version / 10_000)]
    MessagesNotSent {
        /// Server version (`server_version_num`).
        version: u32,
    },
    /// The connector halted before an event that violates the order of its stream, and the event has not been accepted.
    #[error(
        "the connector has halted before a change of {table} in transaction {xid} (commit {commit_lsn}): {error}"
    )]
    EventHeld {
        /// The event store.
        table: TableName,
        /// The transaction.
        xid: Xid,
        /// Its commit record.
        commit_lsn: Lsn,
        /// What is wrong with the event.
        error: String,
    },
    /// The outboxes of the connector were polled, and it is to stream them without a checkpoint.
    #[error(
        "the outboxes of this connector were polled: which of their events are in Kafka is known from marks of rows, and not from a position"
    )]
    PolledBefore,
    /// The connector has a checkpoint, and is to poll its outboxes.
    #[error(
        "this connector has a checkpoint at {at}: events that it streamed are in Kafka, and their rows are not marked"
    )]
    StreamedBefore {
        /// Position of the checkpoint.
        at: Lsn,
    },
    /// A configured pattern matches no table.
    #[error("no table matches {pattern:?}")]
    NoTable {
        /// The pattern.
        pattern: String,
    },
    /// `wal_level` is too low for logical decoding.
    #[error("wal_level is {found}, but logical decoding needs logical")]
    WalLevel {
        /// The setting.
        found: String,
    },
    /// Slot or publication do not exist, and the connector may not create them.
    #[error("the connector may not create what is missing: {}", missing.join(" and "))]
    NotCreated {
        /// What is missing, such as `slot s`.
        missing: Vec<String>,
    },
    /// Rows were to be read and nothing more, and those of quarantined tables were not.
    #[error(
        "rows of {} are not in Kafka, because quarantined tables are not read; the rows of the other tables are",
        names(tables)
    )]
    RowsMissing {
        /// The quarantined tables.
        tables: Vec<TableName>,
    },
    /// A source transaction cannot be delivered in one Kafka transaction in time.
    #[error(
        "transaction {xid} (commit {commit_lsn}) is not delivered after {} s, and Kafka would abort its transaction at {} s; \
         nothing after {after} was delivered", elapsed.as_secs(), limit.as_secs()
    )]
    TransactionTooSlow {
        /// The transaction.
        xid: Xid,
        /// Its commit record.
        commit_lsn: Lsn,
        /// Age of its Kafka transaction.
        elapsed: Duration,
        /// `transaction.timeout.ms`.
        limit: Duration,
        /// The checkpoint's position.
        after: Lsn,
    },
}

fn names(tables: &[TableName]) -> String {
    let names: Vec<String> = tables.iter().map(ToString::to_string).collect();
    names.join(", ")
}

impl Halt {
    /// Whether changes made meanwhile never arrive, not even after the finding is fixed.
    pub(crate) fn hides_changes(&self) -> bool {
        matches!(
            self,
            Halt::PublicationMissing { .. }
                | Halt::NotPublished { .. }
                | Halt::OperationsUnpublished { .. }
                | Halt::Restricted { .. }
                | Halt::Unlogged { .. }
                | Halt::UnloggedPartition { .. }
        )
    }
}
