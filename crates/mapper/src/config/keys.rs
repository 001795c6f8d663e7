//! Keys other than the primary key.

use serde::{Deserialize, Serialize};

use crate::pattern::{NamePattern, TablePattern};

/// Gives the tables of a pattern a key of their own (Debezium's `message.key.columns`).
///
/// The key of a table is made of the columns of all rules that match it, in the order of the rules and of the columns
/// in them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table")]
pub struct KeyRule {
    /// The tables.
    pub tables: TablePattern,
    /// Key columns. Each pattern has to match at least one column.
    pub columns: Vec<NamePattern>,
    /// Handling of key columns outside the replica identity.
    #[serde(default)]
    pub missing: MissingKeyColumns,
}

/// Handling of key columns outside the replica identity: the WAL does not contain their values for deleted rows and
/// for rows whose key changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MissingKeyColumns {
    /// The table is rejected with the replica identity that is needed.
    #[default]
    Refuse,
    /// Null, the default, or the zero value of the type, as Debezium writes it. The delete then has a different key
    /// than the row it deletes.
    Fill,
}
