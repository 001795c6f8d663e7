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
    /// Two columns have the same name once adjusted for Avro.
    #[error("columns of {table} collide: {column} appears twice")]
    DuplicateColumn {
        /// The table.
        table: TableName,
        /// The column.
        column: String,
    },
    /// CloudEvents are asked for in Avro.
    #[error("CloudEvents are JSON: values are encoded as json or json_schema")]
    CloudEventsInAvro,
    /// A name cannot stand in an Avro schema.
    #[error(
        "{name:?} of {table} cannot be an Avro name: letters, digits and _ only, not beginning with a digit"
    )]
    Name {
        /// The table.
        table: TableName,
        /// The schema, table or column.
        name: String,
    },
}

impl MapError {
    /// Whether fresh catalog facts and a plan compiled from them may succeed on the same row.
    #[must_use]
    pub fn is_stale_facts(&self) -> bool {
        match self {
            MapError::NullInNotNull { .. } | MapError::UnknownEnumLabel { .. } => true,
            MapError::Value { .. }
            | MapError::ColumnCount { .. }
            | MapError::DuplicateColumn { .. }
            | MapError::CloudEventsInAvro
            | MapError::Name { .. } => false,
        }
    }
}
