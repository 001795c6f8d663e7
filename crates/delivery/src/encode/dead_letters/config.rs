//! Configuration of undeliverable changes: which are kept as dead letters, and which tables are quarantined.

use serde::{Deserialize, Serialize};
use walcast_mapper::TableName;
use walcast_mapper::pattern::TablePattern;

/// Action for a change that cannot be delivered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnError {
    /// The connector halts before the change, and no later change is delivered.
    #[default]
    Halt,
    /// The change is written to the dead-letter topic, and the connector continues.
    DeadLetter,
    /// The table is quarantined: its changes are skipped until it is resumed, and the other tables are delivered.
    Quarantine,
}

/// Settings of undeliverable changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetterConfig {
    /// Name of the connector, with which the keys of its dead letters begin.
    pub connector: String,
    /// Topic of dead letters.
    pub topic: String,
    /// Action for changes of tables that no rule matches.
    pub on_error: OnError,
    /// Actions for changes of certain tables; the first rule that matches a table applies.
    pub rules: Vec<DeadLetterRule>,
}

/// Action for changes of certain tables.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table")]
pub struct DeadLetterRule {
    /// Tables that the rule matches.
    pub tables: TablePattern,
    /// Action for their changes.
    pub on_error: OnError,
}

impl DeadLetterConfig {
    /// Settings with which every undeliverable change halts the connector.
    #[must_use]
    pub fn none(connector: impl Into<String>, topic: impl Into<String>) -> Self {
        Self {
            connector: connector.into(),
            topic: topic.into(),
            on_error: OnError::Halt,
            rules: Vec::new(),
        }
    }

    /// Whether the connector continues after an undeliverable change of some table.
    #[must_use]
    pub fn is_used(&self) -> bool {
        let mut all = self.rules.iter().map(|rule| rule.on_error).chain([self.on_error]);
        all.any(|on_error| on_error != OnError::Halt)
    }

    /// Action for undeliverable changes of a table.
    #[must_use]
    pub fn action(&self, table: &TableName) -> OnError {
        let rule = self.rules.iter().find(|rule| rule.tables.matches(table));
        rule.map_or(self.on_error, |rule| rule.on_error)
    }

    /// Whether an undeliverable change of a table halts the connector.
    #[must_use]
    pub fn halts(&self, table: &TableName) -> bool {
        self.action(table) == OnError::Halt
    }
}
