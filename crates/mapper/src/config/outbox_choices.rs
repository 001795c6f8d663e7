//! Choices in the settings of outboxes.

use serde::{Deserialize, Serialize};

/// Handling of further columns that the table does not have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MissingAdditional {
    /// No record can be made of the table's rows.
    #[default]
    Error,
    /// The column is left out.
    Ignore,
}

/// Handling of updated rows of an outbox table, whose events were sent when the rows were inserted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InvalidUpdate {
    /// The update makes no record; the first one of a table is logged as a warning.
    #[default]
    Warn,
    /// The update makes no record; the first one of a table is logged as an error.
    Error,
    /// No record can be made of the change.
    Fatal,
    /// The update makes no record, and is not logged.
    Ignore,
}

/// Timestamp of a record for which the event has none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DefaultTimestamp {
    /// The time at which the record is sent.
    #[default]
    Send,
    /// The commit time of the transaction; of a row that is read, the time as of which it is read.
    Commit,
}

/// Field of a struct whose value in JSON is null, so that its type is not known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JsonNull {
    /// There is no field.
    #[default]
    Ignore,
    /// The field holds bytes that may be missing.
    OptionalBytes,
}

/// Field of a struct whose value in JSON is an empty array, so that the type of its items is not known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JsonEmptyArray {
    /// There is no field.
    #[default]
    Ignore,
    /// The field holds an array of text.
    OptionalString,
}

/// Handling of rows of an outbox table whose events are in Kafka.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cleanup {
    /// They are deleted.
    Delete,
    /// A column of them is set.
    Mark,
    /// They are moved to another table.
    Archive,
    /// Partitions of which all rows are such are dropped.
    DropPartition,
}
