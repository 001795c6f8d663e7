//! Which columns are a record's key where it is not the primary key.

use serde::{Deserialize, Serialize};

use crate::{NamePattern, TablePattern};

/// Gives the tables of a pattern a key of their own (Debezium's `message.key.columns`).
///
/// The columns of all rules that choose a table are its key, in the order of the rules and of the columns in them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table")]
pub struct KeyRule {
    /// The tables.
    pub tables: TablePattern,
    /// Their key's columns. Each pattern has to choose one at least.
    pub columns: Vec<NamePattern>,
    /// What is done where the log does not tell a column of a row that is gone.
    #[serde(default)]
    pub missing: MissingKeyColumns,
}

/// What is done about key columns that the replica identity does not hold, so that the log does not tell them of deleted
/// rows and of rows whose key moved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MissingKeyColumns {
    /// The table is refused, and the replica identity named that would mend it.
    #[default]
    Refuse,
    /// What Debezium writes: null, or the default, or nothing of the type. Such a delete has another key than the row it
    /// deletes.
    Fill,
}
