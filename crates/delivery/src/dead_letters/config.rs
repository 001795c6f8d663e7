//! Which changes are kept as dead letters.

use serde::{Deserialize, Serialize};
use walcast_mapper::{TableName, TablePattern};

/// What happens to a change that cannot be delivered as things are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnError {
    /// The connector ends, and nothing after the change is delivered.
    #[default]
    Halt,
    /// It is written to the topic of dead letters, and the connector goes on.
    DeadLetter,
}

/// Settings of dead letters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetterConfig {
    /// The connector's name, which the keys of its letters begin with.
    pub connector: String,
    /// Where they go.
    pub topic: String,
    /// What happens to changes of tables that no rule chooses.
    pub on_error: OnError,
    /// What happens to those of some tables; the first rule that chooses a table counts.
    pub rules: Vec<DeadLetterRule>,
}

/// What happens to changes of some tables.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table")]
pub struct DeadLetterRule {
    /// The tables.
    pub tables: TablePattern,
    /// What happens.
    pub on_error: OnError,
}

impl DeadLetterConfig {
    /// No change is kept.
    #[must_use]
    pub fn none(connector: impl Into<String>, topic: impl Into<String>) -> Self {
        Self {
            connector: connector.into(),
            topic: topic.into(),
            on_error: OnError::Halt,
            rules: Vec::new(),
        }
    }

    /// Whether changes of any table may become dead letters.
    #[must_use]
    pub fn is_used(&self) -> bool {
        let mut all = self.rules.iter().map(|rule| rule.on_error).chain([self.on_error]);
        all.any(|on_error| on_error == OnError::DeadLetter)
    }

    /// Whether those of a table do.
    #[must_use]
    pub fn keeps(&self, table: &TableName) -> bool {
        let rule = self.rules.iter().find(|rule| rule.tables.matches(table));
        rule.map_or(self.on_error, |rule| rule.on_error) == OnError::DeadLetter
    }
}
