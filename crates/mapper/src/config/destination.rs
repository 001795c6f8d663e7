//! Destinations that depend on the row.

use crate::pattern::TablePattern;

/// Rule by which each row of a table names the topic of its records, and may name their partition. Their key is that of the
/// table. Events without a row, such as a truncate, have the topic of the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DestinationRule {
    /// The tables.
    pub tables: TablePattern,
    /// Beginning of each topic's name. The value of `topic_column` follows, with `_` for each character that a Kafka topic
    /// cannot have.
    pub topic_prefix: String,
    /// Column whose value ends the topic's name. A row without a value cannot be mapped.
    pub topic_column: String,
    /// Column whose value is the number of the partition, or null if the key is to choose it; `None`: the key always does.
    pub partition_column: Option<String>,
}
