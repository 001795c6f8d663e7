//! What the mapper can be told.

use std::fmt;

/// A table's schema and name, unquoted.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TableName {
    /// The schema.
    pub namespace: String,
    /// The table.
    pub name: String,
}

impl fmt::Display for TableName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.namespace, self.name)
    }
}

/// How records are named and shaped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MapperConfig {
    /// First part of topic names and `source.name`.
    pub topic_prefix: String,
    /// The connector's own name. Records do not carry it: Debezium's header `__debezium.context.connectorName` says
    /// `postgresql`, whatever the connector is called, and so does ours.
    pub connector_name: String,
    /// `source.db`.
    pub database: String,
    /// Whether a delete is followed by a record with the same key and no value, so that compacted topics forget the
    /// row.
    pub tombstones_on_delete: bool,
    /// What stands for a value that was stored out of line and not changed (Debezium's
    /// `unavailable.value.placeholder`).
    pub unavailable_value_placeholder: String,
}

impl MapperConfig {
    /// The topic of a table's records.
    #[must_use]
    pub fn topic(&self, table: &TableName) -> String {
        crate::names::topic(self, table)
    }
}
