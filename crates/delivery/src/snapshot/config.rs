//! When existing rows are read, of which tables, and how fast.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use tracing::warn;
use walcast_mapper::{TableName, TablePattern};

use super::SnapshotProgress;
use crate::Survey;

/// When existing rows are read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SnapshotMode {
    /// At the first start, before the changes.
    #[default]
    Initial,
    /// At the first start; then the connector ends.
    InitialOnly,
    /// At the first start, and when the slot cannot give the changes any more that came after the checkpoint.
    WhenNeeded,
    /// At every start.
    Always,
    /// Never.
    Never,
}

/// Settings of `[snapshot]` that concern the delivery loop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnapshotConfig {
    /// When rows are read.
    pub mode: SnapshotMode,
    /// Of which captured tables; empty: of all.
    pub tables: Vec<TablePattern>,
    /// How long the first snapshot, that of the new slot, may be held: the server keeps what it shows.
    pub first_window: Duration,
    /// How long a later one may be held: changes wait meanwhile.
    pub window: Duration,
    /// How many rows are read in a second at most; `None`: as many as can be.
    pub rows_per_second: Option<u32>,
    /// How many bytes of rows, as the server copies them, are read in a second at most; `None`: as many as can be.
    pub bytes_per_second: Option<u64>,
    /// The table whose new rows are signals; `None`: there is none.
    pub signal_table: Option<TableName>,
}

impl SnapshotConfig {
    /// What a first start reads of the captured tables; `None`: nothing.
    pub(crate) fn first(&self, survey: &Survey) -> Option<SnapshotProgress> {
        (self.mode != SnapshotMode::Never).then(|| self.all(survey))
    }

    /// What a connector reads that has a checkpoint.
    pub(crate) fn again(
        &self,
        left: Option<&SnapshotProgress>,
        survey: &Survey,
        is_start: bool,
    ) -> Option<SnapshotProgress> {
        match (self.mode, left) {
            (SnapshotMode::Always, _) if is_start => Some(self.all(survey)),
            (SnapshotMode::Never, Some(left)) => {
                let mut kept = left.clone();
                kept.tables.retain(|table| table.asked);
                let dropped = left.tables.len() - kept.tables.len();
                if dropped > 0 {
                    warn!(
                        tables = dropped,
                        "rows were not read to their end, and are not: [snapshot] mode is \"never\""
                    );
                }
                kept.into_stored()
            }
            (_, left) => left.cloned(),
        }
    }

    /// Whether the existing rows of a table are read that is captured since now.
    pub(crate) fn fills(&self, table: &TableName) -> bool {
        self.mode != SnapshotMode::Never && self.chooses(table)
    }

    /// All that is to be read of the captured tables, in the order of the patterns that choose them, then of their names.
    pub(crate) fn all(&self, survey: &Survey) -> SnapshotProgress {
        let captured = survey.captured.iter().map(|table| &table.name);
        let mut chosen: Vec<TableName> = captured.filter(|name| self.chooses(name)).cloned().collect();
        chosen.sort_by_key(|table| self.tables.iter().position(|pattern| pattern.matches(table)));
        SnapshotProgress::of(chosen)
    }

    /// Signals are carried out when they come, and not again.
    fn chooses(&self, table: &TableName) -> bool {
        let is_named = self.tables.is_empty() || self.tables.iter().any(|pattern| pattern.matches(table));
        is_named && self.signal_table.as_ref() != Some(table)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use walcast_mapper::TableName;
    use walcast_pgoutput::{Lsn, Oid, ReplicaIdentity};

    use super::{SnapshotConfig, SnapshotMode};
    use crate::{CapturedTable, Partitions, Persistence, Survey, SystemIdentifier, Timeline};

    fn survey(tables: &[&str]) -> Survey {
        let captured = tables.iter().map(|name| CapturedTable {
            name: TableName {
                namespace: "public".to_owned(),
                name: (*name).to_owned(),
            },
            oid: Oid::new(1),
            persistence: Persistence::Permanent,
            replica_identity: ReplicaIdentity::Default,
            identifies_rows: true,
        });
        Survey {
            system_identifier: SystemIdentifier::new(1),
            timeline: Timeline::new(1),
            history: Vec::new(),
            server_version: 170_006,
            flush_lsn: Lsn::new(1),
            database: "shop".to_owned(),
            wal_level: "logical".to_owned(),
            slot: None,
            publication: None,
            captured: captured.collect(),
            partitions: Partitions::Root,
            unmatched_patterns: Vec::new(),
        }
    }

    fn check(patterns: &[&str], expected: &[&str]) {
        let config = SnapshotConfig {
            mode: SnapshotMode::Initial,
            tables: patterns.iter().map(|pattern| pattern.parse().unwrap()).collect(),
            first_window: Duration::from_secs(1),
            window: Duration::from_secs(1),
            rows_per_second: None,
            bytes_per_second: None,
            signal_table: Some(TableName {
                namespace: "public".to_owned(),
                name: "signals".to_owned(),
            }),
        };
        let progress = config.all(&survey(&["a", "b", "c", "d", "signals"]));
        let names: Vec<&str> = progress.tables.iter().map(|table| table.name.as_str()).collect();
        assert_eq!(names, expected, "{patterns:?}");
    }

    #[test]
    fn tables_are_read_in_the_order_of_the_patterns() {
        check(&[], &["a", "b", "c", "d"]);
        check(&["public.c", "public.*"], &["c", "a", "b", "d"]);
        check(&["public.d", "public.b"], &["d", "b"]);
    }
}
