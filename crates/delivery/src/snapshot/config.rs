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
                (!kept.tables.is_empty()).then_some(kept)
            }
            (_, left) => left.cloned(),
        }
    }

    /// Whether the existing rows of a table are read that is captured since now.
    pub(crate) fn fills(&self, table: &TableName) -> bool {
        self.mode != SnapshotMode::Never && self.chooses(table)
    }

    /// All that is to be read of the captured tables.
    pub(crate) fn all(&self, survey: &Survey) -> SnapshotProgress {
        let captured = survey.captured.iter().map(|table| &table.name);
        SnapshotProgress::of(captured.filter(|name| self.chooses(name)).cloned())
    }

    fn chooses(&self, table: &TableName) -> bool {
        self.tables.is_empty() || self.tables.iter().any(|pattern| pattern.matches(table))
    }
}
