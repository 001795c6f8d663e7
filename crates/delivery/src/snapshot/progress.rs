//! How far reading has come, as the checkpoint has it.

use serde::{Deserialize, Serialize};
use walcast_mapper::{RowId, TableName};
use walcast_pgoutput::{Lsn, Oid, PgTimestamp, Tid};

use super::{FormerKey, SnapshotConfig};

/// What is left to be read, as the checkpoint has it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SnapshotProgress {
    /// What notifications of it have in common: that of the signal, where one asked for it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub id: String,
    /// The tables that are not read to their end, in the order in which they are read.
    pub tables: Vec<TableProgress>,
    /// How many there were.
    pub table_count: usize,
    /// How many rows are in Kafka.
    pub rows: u64,
    /// Whether the first row of all is among them, or there is none because the first table is empty.
    #[serde(default, skip_serializing_if = "is_false")]
    pub has_first: bool,
    /// Whether somebody has asked to wait.
    #[serde(default, skip_serializing_if = "is_false")]
    pub paused: bool,
    /// Whether it is notified that tables marked [`Marks::Initial`] are read.
    #[serde(default, skip_serializing_if = "is_false")]
    pub notified_initial: bool,
    /// Whether it is notified that tables marked [`Marks::Incremental`] are read.
    #[serde(default, skip_serializing_if = "is_false")]
    pub notified_incremental: bool,
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
    /// How many rows of it are in Kafka.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub rows: u64,
    /// Which rows of it are read, as a condition in SQL; `None`: those that the configuration says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filter: Option<String>,
    /// The dead letters that are done with when they are read, by what they have in header `walcast.id`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub letters: Vec<String>,
    /// Keys for which, where no row has them, what a deleted row leaves is sent.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub former_keys: Vec<FormerKey>,
    /// What its rows are marked as.
    #[serde(default, skip_serializing_if = "Marks::is_initial")]
    pub marks: Marks,
    /// Whether somebody asked for it while changes were streamed: what is wrong with its rows ends their reading, not the
    /// stream.
    #[serde(default, skip_serializing_if = "is_false")]
    pub asked: bool,
    /// Since when its changes are streamed.
    #[serde(default, skip_serializing_if = "Publishing::is_done")]
    pub publishing: Publishing,
    /// Whether none of its rows are wanted: it is here until all its changes are sure to be streamed.
    #[serde(default, skip_serializing_if = "is_false")]
    pub unread: bool,
}

/// A row by the number of the table that holds it, and its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NextRow {
    /// The number of the table, or of the partition.
    pub table: u32,
    /// The number of its file. In another one, which `VACUUM FULL`, `CLUSTER` and some `ALTER TABLE` make, rows lie in other
    /// places: then the place says nothing, and reading begins at the first row again.
    #[serde(default)]
    pub file: u32,
    /// The block.
    pub block: u32,
    /// The number in the block.
    pub offset: u16,
}

/// What the rows of a table are marked as (`source.snapshot`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Marks {
    /// As the first or last of all, of their table, or as one between them: Debezium's initial and blocking snapshots.
    #[default]
    Initial,
    /// All alike: Debezium's incremental snapshots.
    Incremental,
}

/// Since when the changes of a table are streamed. What was committed before is only seen by later snapshots.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Publishing {
    /// Since the slot was made, or long ago.
    #[default]
    Done,
    /// They are about to be: it is not read yet.
    Pending,
    /// Since this position at the latest: it is read from snapshots at or after it.
    Since(#[serde(with = "crate::checkpoint::as_text")] Lsn),
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde hands over a reference to the field"
)]
fn is_false(value: &bool) -> bool {
    !value
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde hands over a reference to the field"
)]
fn is_zero(value: &u64) -> bool {
    *value == 0
}

impl Marks {
    #[expect(
        clippy::trivially_copy_pass_by_ref,
        reason = "serde hands over a reference to the field"
    )]
    fn is_initial(&self) -> bool {
        *self == Self::Initial
    }
}

impl Publishing {
    fn is_done(&self) -> bool {
        *self == Self::Done
    }

    /// Whether a snapshot at `lsn` shows everything of the table that is not streamed.
    pub(crate) fn allows(self, lsn: Lsn) -> bool {
        match self {
            Self::Done => true,
            Self::Pending => false,
            Self::Since(since) => since <= lsn,
        }
    }
}

impl NextRow {
    /// A row in a file.
    #[must_use]
    pub fn new(row: RowId, file: Oid) -> Self {
        Self {
            table: row.table.as_u32(),
            file: file.as_u32(),
            block: row.tid.block,
            offset: row.tid.offset,
        }
    }

    /// The table that holds it, and its place.
    #[must_use]
    pub fn row(&self) -> RowId {
        RowId {
            table: Oid::new(self.table),
            tid: Tid {
                block: self.block,
                offset: self.offset,
            },
        }
    }

    /// The number of the file in which that place is.
    #[must_use]
    pub fn file(&self) -> Oid {
        Oid::new(self.file)
    }
}

impl TableProgress {
    /// Nothing of a table is read yet.
    #[must_use]
    pub fn of(table: TableName) -> Self {
        Self {
            namespace: table.namespace,
            name: table.name,
            next: None,
            rows: 0,
            filter: None,
            letters: Vec::new(),
            former_keys: Vec::new(),
            marks: Marks::Initial,
            asked: false,
            publishing: Publishing::Done,
            unread: false,
        }
    }

    /// Its name.
    #[must_use]
    pub fn table(&self) -> TableName {
        TableName {
            namespace: self.namespace.clone(),
            name: self.name.clone(),
        }
    }

    pub(crate) fn is(&self, table: &TableName) -> bool {
        self.namespace == table.namespace && self.name == table.name
    }
}

impl SnapshotProgress {
    /// Nothing of these tables is read yet.
    #[must_use]
    pub fn of(tables: impl IntoIterator<Item = TableName>) -> Self {
        let mut progress = Self::default();
        tables
            .into_iter()
            .for_each(|table| progress.add(TableProgress::of(table)));
        progress
    }

    /// One more table.
    pub(crate) fn add(&mut self, table: TableProgress) {
        if self.id.is_empty() {
            self.id = PgTimestamp::now().unix_micros().to_string();
        }
        self.table_count += 1;
        self.tables.push(table);
    }

    /// As a checkpoint has it: `None` when nothing is left.
    pub(crate) fn into_stored(self) -> Option<Self> {
        (!self.tables.is_empty()).then_some(self)
    }

    /// Notes that a table is published now, or about to be: its rows are to be read, or, where they are not wanted and the
    /// server `renews`, the stream is to be begun anew for it.
    pub(crate) fn await_publishing(
        &mut self,
        table: &TableName,
        publishing: Publishing,
        config: &SnapshotConfig,
        renews: bool,
        asked: bool,
    ) {
        let fills = config.fills(table);
        if let Some(known) = self.find_mut(table) {
            known.publishing = publishing;
        } else if fills || renews {
            self.add(TableProgress {
                marks: Marks::Incremental,
                asked: asked || !fills,
                publishing,
                unread: !fills,
                ..TableProgress::of(table.clone())
            });
        }
    }

    /// Whether tables are left that are marked so.
    pub(crate) fn has_marked(&self, marks: Marks) -> bool {
        self.tables.iter().any(|one| one.marks == marks)
    }

    pub(crate) fn find(&self, table: &TableName) -> Option<&TableProgress> {
        self.tables.iter().find(|one| one.is(table))
    }

    pub(crate) fn find_mut(&mut self, table: &TableName) -> Option<&mut TableProgress> {
        self.tables.iter_mut().find(|one| one.is(table))
    }

    /// Whether of the tables that are marked alike there is none left but this one.
    pub(crate) fn is_last(&self, table: &TableName) -> bool {
        let mut alike = self.tables.iter().filter(|one| one.marks == Marks::Initial);
        alike.next().is_some_and(|one| one.is(table)) && alike.next().is_none()
    }

    /// Whether a snapshot at `lsn` has something to show, or tells where the stream is to be begun anew for a table without rows to
    /// read: for that nobody has to resume.
    pub(crate) fn can_be_read_at(&self, lsn: Lsn) -> bool {
        let mut tables = self.tables.iter();
        tables.any(|table| table.publishing.allows(lsn) && (!self.paused || table.unread))
    }

    /// Whether there is something for a snapshot that is taken from now on.
    pub(crate) fn wants_snapshot(&self) -> bool {
        self.can_be_read_at(Lsn::MAX)
    }

    /// A table is read up to a row, or (`None`) to its end.
    pub(crate) fn reach(&mut self, table: &TableName, next: Option<NextRow>) {
        match next {
            None => {
                // Debezium counts the first row of the first table as the first of all, and none where that is empty.
                let ended = self.find(table).map(|one| one.marks);
                self.has_first |= ended == Some(Marks::Initial);
                self.tables.retain(|one| !one.is(table));
                // Whatever is asked for later has a beginning of its own.
                let initial = self.has_marked(Marks::Initial);
                self.has_first &= initial;
                self.notified_initial &= initial;
                self.notified_incremental &= self.has_marked(Marks::Incremental);
            }
            Some(row) => {
                if let Some(one) = self.find_mut(table) {
                    one.next = Some(row);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use walcast_mapper::{RowId, TableName};
    use walcast_pgoutput::{Lsn, Oid, Tid};

    use super::{Marks, NextRow, Publishing, SnapshotProgress, TableProgress};

    fn table(name: &str) -> TableName {
        TableName {
            namespace: "public".to_owned(),
            name: name.to_owned(),
        }
    }

    fn row(block: u32, offset: u16) -> NextRow {
        let row = RowId {
            table: Oid::new(16_400),
            tid: Tid { block, offset },
        };
        NextRow::new(row, Oid::new(16_500))
    }

    #[test]
    fn progress_is_what_is_left() {
        let mut progress = SnapshotProgress::of([table("a"), table("b")]);
        progress.id = "1".to_owned();
        assert!(!progress.is_last(&table("a")) && !progress.is_last(&table("b")));
        progress.reach(&table("a"), Some(row(3, 7)));
        expect_test::expect![[
            r#"{"id":"1","tables":[{"namespace":"public","name":"a","next":{"table":16400,"file":16500,"block":3,"offset":7}},{"namespace":"public","name":"b"}],"table_count":2,"rows":0}"#
        ]]
        .assert_eq(&serde_json::to_string(&progress).unwrap());
        progress.reach(&table("a"), None);
        assert!(progress.is_last(&table("b")));
        progress.reach(&table("b"), None);
        assert!(progress.tables.is_empty());
    }

    #[test]
    fn what_was_asked_for_is_kept() {
        let mut progress = SnapshotProgress {
            id: "ad-hoc-1".to_owned(),
            ..SnapshotProgress::default()
        };
        progress.add(TableProgress {
            filter: Some("id > 5".to_owned()),
            marks: Marks::Incremental,
            asked: true,
            publishing: Publishing::Since(Lsn::new(0x16_B3748)),
            ..TableProgress::of(table("a"))
        });
        progress.paused = true;
        let text = serde_json::to_string(&progress).unwrap();
        expect_test::expect![[
            r#"{"id":"ad-hoc-1","tables":[{"namespace":"public","name":"a","filter":"id > 5","marks":"incremental","asked":true,"publishing":{"since":"0/16B3748"}}],"table_count":1,"rows":0,"paused":true}"#
        ]]
        .assert_eq(&text);
        assert_eq!(serde_json::from_str::<SnapshotProgress>(&text).unwrap(), progress);
        assert!(!progress.wants_snapshot());
        progress.paused = false;
        assert!(progress.can_be_read_at(Lsn::new(0x16_B3748)));
        assert!(!progress.can_be_read_at(Lsn::new(0x16_B3747)));
    }

    #[test]
    fn tables_marked_alike_have_a_first_and_a_last_row_of_their_own() {
        let mut progress = SnapshotProgress::of([table("a")]);
        progress.add(TableProgress {
            marks: Marks::Incremental,
            ..TableProgress::of(table("b"))
        });
        progress.has_first = true;
        assert!(progress.is_last(&table("a")) && !progress.is_last(&table("b")));
        progress.reach(&table("a"), None);
        assert!(!progress.has_first);
    }
}
