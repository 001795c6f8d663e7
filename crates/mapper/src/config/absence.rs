//! Values of fields for which the WAL or the table has no value.

use serde::{Deserialize, Serialize};

/// Value in `before` of a NOT NULL column outside the replica identity.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MissingNotNull {
    /// The column's default, or the zero value of its type, as Debezium writes it.
    #[default]
    Fill,
    /// Null. Such columns are then nullable in `after` too: `before` and `after` share one record type.
    Null,
}

/// Representation of null in a column that has a default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NullWithDefault {
    /// The default, as Connect's converter writes it.
    #[default]
    Default,
    /// Null.
    Null,
}
