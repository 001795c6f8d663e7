//! Configuration of snapshots: which existing rows are read, when, and how fast.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use tracing::warn;
use walcast_mapper::TableName;
use walcast_mapper::pattern::TablePattern;

use crate::snapshot::channel::SqlConditions;
use crate::snapshot::progress::SnapshotProgress;
use crate::source_state::SourceState;

/// Occasions on which existing rows are read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SnapshotMode {
    /// At the first start, before any changes.
    #[default]
    Initial,
    /// At the first start; then the connector ends.
    InitialOnly,
    /// At the first start, and when the slot can no longer provide the changes after the checkpoint.
    WhenNeeded,
    /// At every start.
    Always,
    /// Never.
    Never,
}

/// Settings of `[snapshot]` that concern delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnapshotConfig {
    /// Occasions on which rows are read.
    pub mode: SnapshotMode,
    /// Captured tables whose rows are read; empty: all.
    pub tables: Vec<TablePattern>,
    /// Maximum time for which the first snapshot, that of the new slot, is held: the server keeps the row versions that
    /// it shows.
    pub initial_hold_max: Duration,
    /// Maximum time for which a later snapshot is held: changes wait meanwhile.
    pub hold_max: Duration,
    /// Maximum number of rows read per second; `None`: unlimited.
    pub rows_per_second: Option<u32>,
    /// Maximum number of bytes of rows, in the server's `COPY` format, read per second; `None`: unlimited.
    pub bytes_per_second: Option<u64>,
    /// Table whose new rows are signals; `None`: no signal table.
    pub signal_table: Option<TableName>,
    /// Channels whose conditions may be any SQL.
    pub sql_conditions: SqlConditions,
}

impl SnapshotConfig {
    /// Rows that a first start reads; `None`: none.
    pub(crate) fn first(&self, source_state: &SourceState) -> Option<SnapshotProgress> {
        (self.mode != SnapshotMode::Never).then(|| self.all(source_state))
    }

    /// Rows that a connector with a checkpoint reads.
    pub(crate) fn again(
        &self,
        left: Option<&SnapshotProgress>,
        source_state: &SourceState,
        is_start: bool,
    ) -> Option<SnapshotProgress> {
        match (self.mode, left) {
            (SnapshotMode::Always, _) if is_start => Some(self.all(source_state)),
            (SnapshotMode::Never, Some(left)) => {
                let mut kept = left.clone();
                kept.tables.retain(|table| table.asked);
                let dropped = left.tables.len() - kept.tables.len();
                if dropped > 0 {
                    warn!(
                        tables = dropped,
                        "remaining rows are not read, because the snapshot mode is \"never\""
                    );
                }
                kept.into_stored()
            }
            (_, left) => left.cloned(),
        }
    }

    /// Whether the existing rows of a newly captured table are read.
    pub(crate) fn fills(&self, table: &TableName) -> bool {
        self.mode != SnapshotMode::Never && self.matches(table)
    }

    /// All captured tables that are to be read, in the order of the patterns that match them, then of their names.
    pub(crate) fn all(&self, source_state: &SourceState) -> SnapshotProgress {
        let captured = source_state.captured.iter().map(|table| &table.name);
        let mut chosen: Vec<TableName> = captured.filter(|name| self.matches(name)).cloned().collect();
        chosen.sort_by_key(|table| self.tables.iter().position(|pattern| pattern.matches(table)));
        let mut progress = SnapshotProgress::of(chosen);
        progress.follow_names(&source_state.captured_names());
        progress
    }

    /// Whether the existing rows of a table are read. Rows of the signal table never are: signals are executed once,
    /// when they arrive.
    fn matches(&self, table: &TableName) -> bool {
        let is_named = self.tables.is_empty() || self.tables.iter().any(|pattern| pattern.matches(table));
        is_named && self.signal_table.as_ref() != Some(table)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use walcast_mapper::TableName;

    use super::{SnapshotConfig, SnapshotMode};
    use crate::snapshot::channel::SqlConditions;
    use crate::source_state::{SourceState, fixture};

    fn source_state(tables: &[&str]) -> SourceState {
        let captured = (1..).zip(tables).map(|(oid, name)| {
            let name = TableName {
                namespace: "public".to_owned(),
                name: (*name).to_owned(),
            };
            fixture::captured(name, oid)
        });
        fixture::source_state(captured)
    }

    fn check(patterns: &[&str], expected: &[&str]) {
        let config = SnapshotConfig {
            mode: SnapshotMode::Initial,
            tables: patterns.iter().map(|pattern| pattern.parse().unwrap()).collect(),
            initial_hold_max: Duration::from_secs(1),
            hold_max: Duration::from_secs(1),
            rows_per_second: None,
            bytes_per_second: None,
            signal_table: Some(TableName {
                namespace: "public".to_owned(),
                name: "signals".to_owned(),
            }),
            sql_conditions: SqlConditions::default(),
        };
        let progress = config.all(&source_state(&["a", "b", "c", "d", "signals"]));
        let names: Vec<&str> = progress.tables.iter().map(|table| table.name.as_str()).collect();
        assert_eq!(names, expected, "{patterns:?}");
        assert!(progress.tables.iter().all(|table| table.oid.is_some()));
    }

    #[test]
    fn tables_are_read_in_the_order_of_the_patterns() {
        check(&[], &["a", "b", "c", "d"]);
        check(&["public.c", "public.*"], &["c", "a", "b", "d"]);
        check(&["public.d", "public.b"], &["d", "b"]);
    }
}
