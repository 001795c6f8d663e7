//! What is written where the log or the table has nothing.

use serde::{Deserialize, Serialize};

/// What a column that is NOT NULL becomes in `before` when the replica identity leaves it out of the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MissingNotNull {
    /// Its default, or the zero of its type, as Debezium writes it.
    #[default]
    Fill,
    /// Null. `before` and `after` share one record type, so such columns can be null in both.
    Null,
}

/// What a null becomes in a column that has a default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NullWithDefault {
    /// The default, as Connect's converter writes it.
    #[default]
    Default,
    /// Null.
    Null,
}
