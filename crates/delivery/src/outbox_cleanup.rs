//! Clean-up of outbox tables: rows whose events are in Kafka are removed, marked or moved.
//!
//! ```text
//! OutboxTables::look ──OutboxLook──▶ Horizons: up to which transaction ID every row is in Kafka
//!                                        └──Removal──▶ OutboxTables::remove, in batches ──▶ ConnectorState::outboxes
//! ```
//!
//! Three things together show that a row is in Kafka: its transaction ended before a moment after which the checkpoint has passed the
//! end of WAL of that moment ([`horizon`]); its table is delivered now; and its table was delivered without a gap since a moment at
//! which all of its rows were delivered, or at which it had none ([`OutboxesState`](crate::OutboxesState)).
//!
//! docs/decisions/0028-outbox-cleanup.md

pub(crate) mod cleaner;
mod horizon;
pub(crate) mod removal;

use std::time::Duration;

use walcast_mapper::TableName;
use walcast_mapper::pattern::TablePattern;

/// Settings of clean-up: one entry for each outbox section, in order, with or without clean-up.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OutboxCleanupConfig {
    /// Outbox sections. A table belongs to the first that selects it.
    pub outboxes: Vec<OutboxSection>,
    /// Patterns of the tables of which only some rows are read.
    pub filtered: Vec<TablePattern>,
}

/// Outbox section.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutboxSection {
    /// The outbox tables.
    pub tables: TablePattern,
    /// Clean-up of the tables; `None`: rows stay.
    pub cleanup: Option<CleanupRule>,
}

/// Clean-up of the tables of a section.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CleanupRule {
    /// Handling of delivered rows.
    pub action: CleanupAction,
    /// Age from which rows are handled.
    pub keep: Duration,
    /// Column with the time of a row; `None`: its age counts from when it is known to be delivered.
    pub age_column: Option<String>,
    /// Interval of clean-up.
    pub interval: Duration,
    /// Number of rows that one statement handles at most.
    pub batch_rows: u32,
    /// Number of rows that are handled per second at most.
    pub rows_per_second: u32,
    /// Whether rows are handled too of which it is not known whether they were ever delivered.
    pub existing: bool,
}

/// Handling of delivered rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CleanupAction {
    /// They are deleted.
    Delete,
    /// A column is set, of type boolean or a type of times.
    Mark {
        /// The column.
        column: String,
    },
    /// They are moved to a table with the same columns.
    Archive {
        /// The table.
        table: TableName,
    },
    /// Partitions that have no other rows, and into whose range no further rows come, are dropped.
    DropPartition,
}

impl OutboxCleanupConfig {
    /// Clean-up of a table.
    #[must_use]
    pub fn rule(&self, table: &TableName) -> Option<&CleanupRule> {
        let mut sections = self.outboxes.iter();
        let section = sections.find(|section| section.tables.matches(table))?;
        section.cleanup.as_ref()
    }

    /// Whether no section has clean-up.
    #[must_use]
    pub fn is_off(&self) -> bool {
        self.outboxes.iter().all(|section| section.cleanup.is_none())
    }

    /// Interval between two looks: the shortest of the sections.
    fn interval(&self) -> Option<Duration> {
        let rules = self
            .outboxes
            .iter()
            .filter_map(|section| section.cleanup.as_ref());
        rules.map(|rule| rule.interval).min()
    }
}
