//! Rows that were in the tables before the slot was: what is still to be read of them.
//!
//! All rows that are read between two stretches of the stream are read from one snapshot, at the position that the stream
//! has reached: what was committed before it has been streamed, what is committed after it will be. So rows and changes
//! neither overlap nor leave a gap, and nothing has to be compared. See docs/decisions/0011-snapshots.md.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use tracing::warn;
use walcast_mapper::{RowId, TableName, TablePattern};
use walcast_pgoutput::{Oid, Tid};

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
                warn!(
                    tables = left.tables.len(),
                    "rows were not read to their end, and are not: [snapshot] mode is \"never\""
                );
                None
            }
            (_, left) => left.cloned(),
        }
    }

    /// All that is to be read of the captured tables.
    fn all(&self, survey: &Survey) -> SnapshotProgress {
        let chosen = |table: &TableName| {
            self.tables.is_empty() || self.tables.iter().any(|pattern| pattern.matches(table))
        };
        let captured = survey.captured.iter().map(|table| &table.name);
        SnapshotProgress::of(captured.filter(|name| chosen(name)).cloned())
    }
}

/// What is left to be read, as the checkpoint has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SnapshotProgress {
    /// The tables that are not read to their end, in the order in which they are read.
    pub tables: Vec<TableProgress>,
    /// How many there were.
    pub table_count: usize,
    /// How many rows are in Kafka.
    pub rows: u64,
}

/// A table that is not read to its end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TableProgress {
    /// Its schema.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// The first row that is not in Kafka; `None`: no row of it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<NextRow>,
}

/// A row by the number of the table that holds it, and its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NextRow {
    /// The number of the table, or of the partition.
    pub table: u32,
    /// The block.
    pub block: u32,
    /// The number in the block.
    pub offset: u16,
}

impl From<RowId> for NextRow {
    fn from(row: RowId) -> Self {
        Self {
            table: row.table.as_u32(),
            block: row.tid.block,
            offset: row.tid.offset,
        }
    }
}

impl From<NextRow> for RowId {
    fn from(next: NextRow) -> Self {
        Self {
            table: Oid::new(next.table),
            tid: Tid {
                block: next.block,
                offset: next.offset,
            },
        }
    }
}

impl TableProgress {
    pub(crate) fn table(&self) -> TableName {
        TableName {
            namespace: self.namespace.clone(),
            name: self.name.clone(),
        }
    }
}

impl SnapshotProgress {
    /// Nothing of these tables is read yet.
    #[must_use]
    pub fn of(tables: impl IntoIterator<Item = TableName>) -> Self {
        let tables: Vec<TableProgress> = tables
            .into_iter()
            .map(|table| TableProgress {
                namespace: table.namespace,
                name: table.name,
                next: None,
            })
            .collect();
        Self {
            table_count: tables.len(),
            tables,
            rows: 0,
        }
    }

    /// Whether a table is the first of all.
    pub(crate) fn is_first(&self, table: &TableName) -> bool {
        let first = self.tables.first();
        self.tables.len() == self.table_count && first.is_some_and(|first| first.is(table))
    }

    /// A table is read up to a row, or (`None`) to its end.
    pub(crate) fn reach(&mut self, table: &TableName, next: Option<RowId>) {
        match next {
            None => self.tables.retain(|one| !one.is(table)),
            Some(row) => {
                if let Some(one) = self.tables.iter_mut().find(|one| one.is(table)) {
                    one.next = Some(row.into());
                }
            }
        }
    }
}

impl TableProgress {
    pub(crate) fn is(&self, table: &TableName) -> bool {
        self.namespace == table.namespace && self.name == table.name
    }
}

#[cfg(test)]
mod tests {
    use walcast_mapper::{RowId, TableName};
    use walcast_pgoutput::{Oid, Tid};

    use super::SnapshotProgress;

    fn table(name: &str) -> TableName {
        TableName {
            namespace: "public".to_owned(),
            name: name.to_owned(),
        }
    }

    #[test]
    fn progress_is_what_is_left() {
        let mut progress = SnapshotProgress::of([table("a"), table("b")]);
        assert!(progress.is_first(&table("a")) && !progress.is_first(&table("b")));
        let row = RowId {
            table: Oid::new(16_400),
            tid: Tid { block: 3, offset: 7 },
        };
        progress.reach(&table("a"), Some(row));
        expect_test::expect![[
            r#"{"tables":[{"namespace":"public","name":"a","next":{"table":16400,"block":3,"offset":7}},{"namespace":"public","name":"b"}],"table_count":2,"rows":0}"#
        ]]
        .assert_eq(&serde_json::to_string(&progress).unwrap());
        progress.reach(&table("a"), None);
        assert_eq!(progress.tables.len(), 1);
        assert!(!progress.is_first(&table("b")));
        progress.reach(&table("b"), None);
        assert!(progress.tables.is_empty());
    }
}
