//! Why a relation or a row cannot be mapped.

use walcast_pgoutput::Oid;

use crate::TableName;

/// A relation or a row cannot be mapped. The batch is as it was before the attempt.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MapError {
    /// A column that the catalog calls NOT NULL is null: the catalog has changed since the row was written.
    #[error("column {column} of {table} is null, but the catalog says it cannot be")]
    NullInNotNull {
        /// The table.
        table: TableName,
        /// The column.
        column: String,
    },
    /// A row holds an enum label that the catalog did not list when the plan was compiled.
    #[error(
        "column {column} of {table} holds a label that enum type {type_oid} did not have when its schema was made"
    )]
    UnknownEnumLabel {
        /// The table.
        table: TableName,
        /// The column.
        column: String,
        /// The enum.
        type_oid: Oid,
    },
    /// A value is not of its column's type, or outside what the schema can hold.
    #[error("column {column} of {table}: the value cannot be written as {wanted}")]
    Value {
        /// The table.
        table: TableName,
        /// The column.
        column: String,
        /// What the schema holds.
        wanted: &'static str,
    },
    /// A tuple has another number of columns than its relation.
    #[error("a row of {table} has {found} columns where its relation has {wanted}")]
    ColumnCount {
        /// The table.
        table: TableName,
        /// Columns of the tuple.
        found: usize,
        /// Columns of the relation.
        wanted: usize,
    },
    /// A record is larger than Kafka takes.
    #[error(
        "a record of {bytes} bytes for topic {topic} is larger than the {limit} bytes that Kafka takes: raise message.max.bytes of \
         [kafka.properties] and max.message.bytes of the topic (message.max.bytes of the broker) above it"
    )]
    TooLarge {
        /// The topic.
        topic: String,
        /// Key and value together, and headers where they count.
        bytes: usize,
        /// The most that is taken.
        limit: usize,
    },
    /// Two columns would be the same field.
    #[error(
        "columns {:?} and {:?} of {table} would both be field {field}; exclude one, or set names.adjust_fields = \"avro_unicode\"",
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
    /// CloudEvents are asked for in Avro.
    #[error("CloudEvents are JSON: values are encoded as json or json_schema")]
    CloudEventsInAvro,
    /// A column's name cannot stand in an Avro schema.
    #[error(
        "column {name:?} of {table} cannot be an Avro name: letters, digits and _ only, not beginning with a digit; set names.adjust_fields = \"avro\" or \"avro_unicode\", or exclude the column"
    )]
    Name {
        /// The table.
        table: TableName,
        /// The column.
        name: String,
    },
    /// A configured key has columns that the table does not have.
    #[error("{table} has no column for {pattern:?}, which [[keys]] makes part of its key")]
    KeyColumn {
        /// The table.
        table: TableName,
        /// The pattern that chooses none.
        pattern: String,
    },
    /// A configured key has columns that the log does not tell of deleted rows.
    #[error(
        "{} of {table} is part of the key that [[keys]] gives it, but the log does not tell it of a deleted row; run: \
         ALTER TABLE {} REPLICA IDENTITY FULL (or USING INDEX with a unique index over the key); or set missing = \"fill\"",
        list("column", columns),
        quoted(table)
    )]
    KeyNotInIdentity {
        /// The table.
        table: TableName,
        /// The columns.
        columns: Vec<String>,
    },
    /// Two settings would change the values of one column.
    #[error(
        "column {column} of {table} is chosen by {first} and by {second}; a column's values can be changed by one only"
    )]
    ColumnRules {
        /// The table.
        table: TableName,
        /// The column.
        column: String,
        /// One setting.
        first: &'static str,
        /// The other.
        second: &'static str,
    },
    /// A setting that is for text chooses a column that holds none.
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
}

impl MapError {
    /// Whether fresh catalog facts and a plan compiled from them may succeed on the same row.
    #[must_use]
    pub fn is_stale_facts(&self) -> bool {
        match self {
            MapError::NullInNotNull { .. } | MapError::UnknownEnumLabel { .. } => true,
            MapError::Value { .. }
            | MapError::TooLarge { .. }
            | MapError::ColumnCount { .. }
            | MapError::CloudEventsInAvro
            | MapError::FieldCollision { .. }
            | MapError::Name { .. }
            | MapError::KeyColumn { .. }
            | MapError::KeyNotInIdentity { .. }
            | MapError::ColumnRules { .. }
            | MapError::NotText { .. } => false,
        }
    }
}

fn list(word: &str, names: &[String]) -> String {
    let plural = if names.len() == 1 { "" } else { "s" };
    format!("{word}{plural} {}", names.join(", "))
}

/// A table's name as SQL needs it.
fn quoted(table: &TableName) -> String {
    let quote = |name: &str| format!("\"{}\"", name.replace('"', "\"\""));
    format!("{}.{}", quote(&table.namespace), quote(&table.name))
}
