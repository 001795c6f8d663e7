//! Errors of mapping.

use walcast_pgoutput::Oid;

use crate::config::TopicPurpose;
use crate::table_name::TableName;
use crate::upcast::UpcastFault;

/// A relation or a row cannot be mapped. The buffer is unchanged. The text states the finding; the program that shows it knows the
/// settings that resolve it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MapError {
    /// A NOT NULL column is null: the catalog has changed since the row was written.
    #[error("column {column} of {table} is null, but the catalog says it cannot be")]
    NullInNotNull {
        /// The table.
        table: TableName,
        /// The column.
        column: String,
    },
    /// A row has an enum label that the catalog did not list when the plan was compiled.
    #[error(
        "column {column} of {table} holds a label that enum type {type_oid} did not have when its schema was made"
    )]
    UnknownEnumLabel {
        /// The table.
        table: TableName,
        /// The column.
        column: String,
        /// OID of the enum type.
        type_oid: Oid,
    },
    /// A column's type was dropped before the first row that uses it was read.
    #[error(
        "column {column} of {table} has type {}, which was dropped before its rows were read: how its values are sent is not known",
        named(*type_oid, type_name.as_deref())
    )]
    UnknownType {
        /// The table.
        table: TableName,
        /// The column.
        column: String,
        /// OID of the type.
        type_oid: Oid,
        /// Name of the type with its schema, if the stream has it.
        type_name: Option<String>,
    },
    /// The table or its key was dropped before the first row that has the key was read.
    #[error(
        "the key of {table} is not known: the table or its key was dropped or altered before these rows were read, and its          replica identity does not contain the key"
    )]
    UnknownKey {
        /// The table.
        table: TableName,
    },
    /// The key contains generated columns that the server does not send.
    #[error(
        "the key of {table} contains generated columns ({}) that the server does not send: records of different rows would have the \
         same key", columns.join(", ")
    )]
    KeyNotSent {
        /// The table.
        table: TableName,
        /// The generated columns.
        columns: Vec<String>,
    },
    /// A value is not of its column's type, or outside the range of its schema.
    #[error("column {column} of {table}: the value cannot be written as {wanted}")]
    Value {
        /// The table.
        table: TableName,
        /// The column.
        column: String,
        /// The kind of value that the schema requires.
        wanted: &'static str,
    },
    /// A tuple does not have as many columns as its relation.
    #[error("a row of {table} has {found} columns where its relation has {wanted}")]
    ColumnCount {
        /// The table.
        table: TableName,
        /// Number of columns of the tuple.
        found: usize,
        /// Number of columns of the relation.
        wanted: usize,
    },
    /// A record exceeds Kafka's limits.
    #[error("a record of {bytes} bytes for topic {topic} is larger than the {limit} bytes that Kafka takes")]
    TooLarge {
        /// The topic.
        topic: String,
        /// Size of key and value, with headers where they count.
        bytes: usize,
        /// The limit that is exceeded.
        limit: usize,
    },
    /// The topic is compacted, so that it takes no record without a key.
    #[error("topic {topic} is compacted and takes no record without a key, but {of} of {table} has none")]
    KeyMissing {
        /// The table.
        table: TableName,
        /// The topic.
        topic: String,
        /// The record.
        of: WithoutKey,
    },
    /// Two columns have the same field name.
    #[error(
        "columns {:?} and {:?} of {table} would both be field {field}",
        columns[0], columns[1]
    )]
    FieldCollision {
        /// The table.
        table: TableName,
        /// The columns.
        columns: [String; 2],
        /// The field.
        field: String,
    },
    /// The topic belongs to another table.
    #[error(
        "{table:?} and {other:?} would share topic {topic}, which would mix their rows: a topic has _ for each character \
         that it cannot have",
        table = tables.0.to_string(), other = tables.1.to_string()
    )]
    SharedTopic {
        /// The table, and the table to which the topic belongs.
        tables: Box<(TableName, TableName)>,
        /// The topic.
        topic: String,
    },
    /// The topic of a table holds events of an outbox.
    #[error("rows of {} would be written to topic {topic}, which holds events of outbox {}", tables.0, tables.1)]
    TopicOfOutbox {
        /// The table, and the outbox.
        tables: Box<(TableName, TableName)>,
        /// The topic.
        topic: String,
    },
    /// The topic of a table is reserved for another purpose.
    #[error(
        "records of {table} would be written to topic {topic}, which is the {purpose}; set another topic for the table in \
         [[names.routes]], or another {}", purpose.setting()
    )]
    ReservedTopic {
        /// The table.
        table: TableName,
        /// The topic.
        topic: String,
        /// Purpose of the topic.
        purpose: TopicPurpose,
    },
    /// CloudEvents are configured with Avro.
    #[error("CloudEvents are JSON: values are encoded as json or json_schema")]
    CloudEventsInAvro,
    /// A column's name is not valid in Avro.
    #[error(
        "column {name:?} of {table} cannot be an Avro name: letters, digits and _ only, not beginning with a digit"
    )]
    Name {
        /// The table.
        table: TableName,
        /// The column.
        name: String,
    },
    /// A configured key has columns that the table does not have.
    #[error("{table} has no column for {pattern:?}, which is configured as part of its key")]
    KeyColumn {
        /// The table.
        table: TableName,
        /// The pattern that matches no column.
        pattern: String,
    },
    /// A configured key has columns outside the replica identity.
    #[error(
        "{} of {table} is part of its configured key, but the WAL does not contain it for a deleted row",
        list("column", columns)
    )]
    KeyNotInIdentity {
        /// The table.
        table: TableName,
        /// The columns.
        columns: Vec<String>,
    },
    /// Two settings transform the values of one column.
    #[error(
        "column {column} of {table} is chosen by {first} and by {second}; a column's values can be changed by one only"
    )]
    ColumnRules {
        /// The table.
        table: TableName,
        /// The column.
        column: String,
        /// The first setting.
        first: &'static str,
        /// The second setting.
        second: &'static str,
    },
    /// A setting for text matches a column that is not text.
    #[error(
        "column {column} of {table} is chosen by {setting}, which is for text; exclude the column if its values are not to be sent"
    )]
    NotText {
        /// The table.
        table: TableName,
        /// The column.
        column: String,
        /// The setting.
        setting: &'static str,
    },
    /// A column that names destinations does not exist.
    #[error("{table} has no column {column}, which names the destination of its rows")]
    DestinationColumn {
        /// The table.
        table: TableName,
        /// The column.
        column: String,
    },
    /// A column that `[[outbox]]` names is missing or cannot be used.
    #[error("column {column} of outbox table {table} {problem}")]
    OutboxColumn {
        /// The table.
        table: TableName,
        /// The column.
        column: String,
        /// What is wrong with the column.
        problem: &'static str,
    },
    /// A row of an outbox table has a value from which no record can be made.
    #[error("column {column} of outbox table {table}: the value cannot be used as {wanted}")]
    OutboxValue {
        /// The table.
        table: TableName,
        /// The column.
        column: String,
        /// What the value must be.
        wanted: &'static str,
    },
    /// The payload of an event does not fit the schema that the registry has for its type.
    #[error(
        "column {column} of outbox table {table}: the payload does not fit the schema of its type{}",
        at(path)
    )]
    OutboxPayload {
        /// The table.
        table: TableName,
        /// The column.
        column: String,
        /// Place in the payload, such as `.lines[0].sku`; empty for the whole payload.
        path: String,
    },
    /// The registry has no usable schema for the type of an event.
    #[error("column {column} of outbox table {table}: subject {subject} {problem}")]
    OutboxSchema {
        /// The table.
        table: TableName,
        /// The column with the payload.
        column: String,
        /// The subject.
        subject: String,
        /// What is wrong with the subject.
        problem: &'static str,
    },
    /// A message is no event.
    #[error("message of outbox {table} {problem}")]
    OutboxMessage {
        /// The table for which the outbox stands.
        table: TableName,
        /// What is wrong with the message.
        problem: &'static str,
    },
    /// A row of an outbox table was updated, which the configuration does not allow.
    #[error("a row of outbox table {table} was updated, and on_update of [[outbox]] is fatal")]
    OutboxUpdate {
        /// The table.
        table: TableName,
    },
    /// A column of an event store is missing or cannot be used.
    #[error("column {column} of event store {table} {problem}")]
    EventStoreColumn {
        /// The table.
        table: TableName,
        /// The column.
        column: String,
        /// What is wrong with the column.
        problem: &'static str,
    },
    /// A row of an event store has a value from which no record can be made.
    #[error("column {column} of event store {table}: the value cannot be used as {wanted}")]
    EventStoreValue {
        /// The table.
        table: TableName,
        /// The column.
        column: String,
        /// What the value must be.
        wanted: &'static str,
    },
    /// The topic of an event store is compacted, so that it would keep the last event of each stream only.
    #[error(
        "topic {topic} is compacted: of the events of event store {table} it would keep the last one of each stream only"
    )]
    EventStoreCompacted {
        /// The table.
        table: TableName,
        /// The topic.
        topic: String,
    },
    /// An event store has no column by which its rows can be read in the order of their streams.
    #[error(
        "event store {table} has no sequence, by which the rows that exist could be read in the order of their streams"
    )]
    EventStoreUnordered {
        /// The table.
        table: TableName,
    },
    /// A change violates the order of a stream, or the immutability of its events.
    #[error("event store {table}: {violation}{}", of_event(stream.as_deref(), *version))]
    EventStoreViolation {
        /// The table.
        table: TableName,
        /// The violation.
        violation: Violation,
        /// The stream, as it is sent; `None` if the WAL does not have it.
        stream: Option<String>,
        /// Version of the event; `None` if the WAL does not have it.
        version: Option<i64>,
    },
    /// An event of an older schema version cannot be upcast.
    #[error("event store {table}: {fault}")]
    EventStoreUpcast {
        /// The table.
        table: TableName,
        /// What is wrong with the event.
        fault: Box<UpcastFault>,
    },
    /// A row names a topic that is not known to exist. Once [`Plan::bind_topic`](crate::Plan::bind_topic) was called for it, the
    /// row can be mapped.
    #[error("topic {topic} is not known to exist")]
    UnknownTopic {
        /// The topic.
        topic: String,
    },
}

/// Record that has no key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WithoutKey {
    /// Record of a table without a key.
    #[error("a record")]
    Row,
    /// Event of a truncation, whichever key the table has.
    #[error("the event of a TRUNCATE")]
    Truncation,
}

/// Violation of the order of a stream, or of the immutability of its events.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Violation {
    /// Versions are missing before the event.
    #[error("a version is missing: {expected} was expected")]
    Gap {
        /// Version that was expected.
        expected: i64,
    },
    /// The stream already has this version.
    #[error("a version comes again: {expected} was expected")]
    Doubled {
        /// Version that was expected.
        expected: i64,
    },
    /// An event was updated.
    #[error("an event was updated, which is immutable")]
    Update,
    /// An event was deleted.
    #[error("an event was deleted, which is immutable")]
    Delete,
    /// The table was truncated.
    #[error("the events were truncated, which are immutable")]
    Truncate,
    /// An event of an older schema version cannot be upcast.
    #[error("an event cannot be upcast")]
    Upcast,
}

impl Violation {
    /// Name of the kind of violation.
    #[must_use]
    pub fn kind(self) -> &'static str {
        match self {
            Self::Gap { .. } => "gap",
            Self::Doubled { .. } => "doubled",
            Self::Update => "update",
            Self::Delete => "delete",
            Self::Truncate => "truncate",
            Self::Upcast => "upcast",
        }
    }
}

fn of_event(stream: Option<&str>, version: Option<i64>) -> String {
    let stream = stream.map(|stream| format!("stream {stream:?}"));
    let version = version.map(|version| format!("version {version}"));
    let parts: Vec<String> = stream.into_iter().chain(version).collect();
    match parts.is_empty() {
        true => String::new(),
        false => format!(" ({})", parts.join(", ")),
    }
}

impl MapError {
    /// Whether a plan compiled from fresh catalog metadata may succeed on the same row.
    #[must_use]
    pub fn is_stale_metadata(&self) -> bool {
        match self {
            MapError::NullInNotNull { .. } | MapError::UnknownEnumLabel { .. } => true,
            MapError::Value { .. }
            | MapError::TooLarge { .. }
            | MapError::KeyMissing { .. }
            | MapError::ColumnCount { .. }
            | MapError::CloudEventsInAvro
            | MapError::SharedTopic { .. }
            | MapError::TopicOfOutbox { .. }
            | MapError::ReservedTopic { .. }
            | MapError::FieldCollision { .. }
            | MapError::Name { .. }
            | MapError::KeyColumn { .. }
            | MapError::KeyNotInIdentity { .. }
            | MapError::ColumnRules { .. }
            | MapError::UnknownType { .. }
            | MapError::UnknownKey { .. }
            | MapError::KeyNotSent { .. }
            | MapError::NotText { .. }
            | MapError::DestinationColumn { .. }
            | MapError::OutboxColumn { .. }
            | MapError::OutboxValue { .. }
            | MapError::OutboxPayload { .. }
            | MapError::OutboxSchema { .. }
            | MapError::OutboxMessage { .. }
            | MapError::OutboxUpdate { .. }
            | MapError::EventStoreColumn { .. }
            | MapError::EventStoreValue { .. }
            | MapError::EventStoreCompacted { .. }
            | MapError::EventStoreUnordered { .. }
            | MapError::EventStoreViolation { .. }
            | MapError::EventStoreUpcast { .. }
            | MapError::UnknownTopic { .. } => false,
        }
    }
}

fn at(path: &str) -> String {
    match path {
        "" => String::new(),
        path => format!(" at {path}"),
    }
}

fn named(oid: Oid, name: Option<&str>) -> String {
    name.map_or_else(|| format!("with OID {oid}"), ToOwned::to_owned)
}

fn list(word: &str, names: &[String]) -> String {
    let plural = if names.len() == 1 { "" } else { "s" };
    format!("{word}{plural} {}", names.join(", "))
}
