//! What the mapper can be told.

mod absence;
mod events;

use std::fmt;

pub use absence::{MissingNotNull, NullWithDefault};
pub use events::{EventsConfig, Operation};

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
    /// `source.db`.
    pub database: String,
    /// Whether a delete is followed by a record with the same key and no value, so that compacted topics forget the
    /// row.
    pub tombstones_on_delete: bool,
    /// What stands for a value that was stored out of line and not changed (Debezium's
    /// `unavailable.value.placeholder`).
    pub unavailable_value_placeholder: String,
    /// What `before` holds where the log holds nothing.
    pub missing_not_null: MissingNotNull,
    /// What a null becomes in a column that has a default.
    pub null_with_default: NullWithDefault,
    /// Which events there are.
    pub events: EventsConfig,
}

/// Debezium's word, which consumers compare with.
const UNAVAILABLE_VALUE_PLACEHOLDER: &str = "__debezium_unavailable_value";

impl MapperConfig {
    /// Debezium's defaults throughout.
    #[must_use]
    pub fn new(topic_prefix: impl Into<String>, database: impl Into<String>) -> Self {
        Self {
            topic_prefix: topic_prefix.into(),
            database: database.into(),
            tombstones_on_delete: true,
            unavailable_value_placeholder: UNAVAILABLE_VALUE_PLACEHOLDER.to_owned(),
            missing_not_null: MissingNotNull::default(),
            null_with_default: NullWithDefault::default(),
            events: EventsConfig::default(),
        }
    }

    /// The topic of a table's records.
    #[must_use]
    pub fn topic(&self, table: &TableName) -> String {
        crate::names::topic(self, table)
    }
}
