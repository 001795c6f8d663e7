//! Snapshot progress, as the checkpoint stores it.

use serde::{Deserialize, Serialize};
use walcast_mapper::{RowId, TableName};
use walcast_pgoutput::{Lsn, Oid, PgTimestamp, Tid};

use crate::condition::error::ConditionError;
use crate::condition::{Condition, Dialect};
use crate::snapshot::attached_partitions::AttachedPartitions;
use crate::snapshot::channel::RequestChannel;
use crate::snapshot::former_key::FormerKey;

/// Rows that remain to be read, as the checkpoint stores them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SnapshotProgress {
    /// ID that the notifications of the snapshot share: the ID of the signal, if one requested the snapshot.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub id: String,
    /// Tables that are not completely read, in reading order.
    pub tables: Vec<TableProgress>,
    /// Total number of tables.
    pub table_count: usize,
    /// Number of rows in Kafka.
    pub rows: u64,
    /// Whether the first row of the snapshot is among them, or the first table is empty.
    #[serde(default, skip_serializing_if = "is_false")]
    pub has_first: bool,
    /// Whether reading is paused by a request.
    #[serde(default, skip_serializing_if = "is_false")]
    pub paused: bool,
    /// Whether a notification was sent that reading of tables marked [`SnapshotType::Initial`] started.
    #[serde(default, skip_serializing_if = "is_false")]
    pub notified_initial: bool,
    /// Whether a notification was sent that reading of tables marked [`SnapshotType::Incremental`] started.
    #[serde(default, skip_serializing_if = "is_false")]
    pub notified_incremental: bool,
}

/// Table that is not completely read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TableProgress {
    /// Schema of the table.
    pub namespace: String,
    /// Name of the table.
    pub name: String,
    /// OID of the table, which finds it after it was renamed; `None`: an earlier version stored the progress.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oid: Option<u32>,
    /// First row that is not in Kafka; `None`: no row is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<NextRow>,
    /// Number of the last event in Kafka, of an event store that is read in order: it is in the table or partition of `next`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<i64>,
    /// Number of rows in Kafka.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub rows: u64,
    /// Condition on the rows; `None`: the condition of the configuration.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filter: Option<String>,
    /// Whether the condition is any SQL expression, not only comparisons ([`Dialect`]).
    #[serde(default, skip_serializing_if = "is_false")]
    pub filter_is_sql: bool,
    /// Channel through which such a condition arrived; `None`: an earlier version stored it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sql_channel: Option<RequestChannel>,
    /// Number of times that the server ended the reading at this row for a transient cause, such as a statement
    /// timeout.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub failures: u32,
    /// Number of times that reading by the condition at this row ended with its connection, or in a conflict with other
    /// transactions or with recovery.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub interruptions: u32,
    /// Dead letters that reading resolves, given by the value of their `walcast.id` header.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub letters: Vec<String>,
    /// Keys for which the delete of a missing row is sent if no row has them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub former_keys: Vec<FormerKey>,
    /// Marker of the rows.
    #[serde(default, skip_serializing_if = "SnapshotType::is_initial")]
    pub marks: SnapshotType,
    /// Whether the table was requested while changes were streamed: an error in its rows ends their reading, not the
    /// stream.
    #[serde(default, skip_serializing_if = "is_false")]
    pub asked: bool,
    /// Membership of an outbox table in the publication before its rows were read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub membership: Option<String>,
    /// Position since which the changes of the table are streamed.
    #[serde(default, skip_serializing_if = "PublishedSince::is_done")]
    pub publishing: PublishedSince,
    /// Whether no rows are to be read: the table stays until all its changes are certain to be streamed.
    #[serde(default, skip_serializing_if = "is_false")]
    pub unread: bool,
    /// OIDs of the partitions that are read; empty: all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub partitions: Vec<u32>,
    /// Position from which on snapshots show these partitions as parts of the table; `None`: any snapshot does.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        with = "crate::serde_text::as_optional_text"
    )]
    pub partitions_since: Option<Lsn>,
    /// Partitions that are read next, because they were attached meanwhile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attached: Option<AttachedPartitions>,
}

/// Row, identified by the OID of its table and its `ctid`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NextRow {
    /// OID of the table, or of the partition.
    pub table: u32,
    /// File of the table (`relfilenode`). `VACUUM FULL`, `CLUSTER` and some forms of `ALTER TABLE` create a new file
    /// with other row positions: reading then starts at the first row again.
    #[serde(default)]
    pub file: u32,
    /// Block number of the `ctid`.
    pub block: u32,
    /// Offset number of the `ctid`.
    pub offset: u16,
}

/// Marker of a table's rows (`source.snapshot`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SnapshotType {
    /// First or last row of the snapshot or of its table, or a row between: Debezium's initial and blocking snapshots.
    #[default]
    Initial,
    /// The same marker for all rows: Debezium's incremental snapshots.
    Incremental,
}

/// Position since which the changes of a table are streamed. Changes committed before that position are only visible to
/// later snapshots.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PublishedSince {
    /// Since the creation of the slot, or a position long ago.
    #[default]
    Done,
    /// The table is about to be published, and is not read yet.
    Pending,
    /// Since this position at the latest: the table is read from snapshots at or after it.
    Since(#[serde(with = "crate::serde_text::as_text")] Lsn),
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde hands over a reference to the field"
)]
fn is_false(value: &bool) -> bool {
    !value
}

fn is_zero<N: Default + PartialEq>(value: &N) -> bool {
    *value == N::default()
}

impl SnapshotType {
    #[expect(
        clippy::trivially_copy_pass_by_ref,
        reason = "serde hands over a reference to the field"
    )]
    fn is_initial(&self) -> bool {
        *self == Self::Initial
    }
}

impl PublishedSince {
    fn is_done(&self) -> bool {
        *self == Self::Done
    }

    /// Whether a snapshot at `lsn` shows all changes of the table that are not streamed.
    pub(crate) fn allows(self, lsn: Lsn) -> bool {
        match self {
            Self::Done => true,
            Self::Pending => false,
            Self::Since(since) => since <= lsn,
        }
    }
}

impl NextRow {
    /// Identifies a row in a file.
    #[must_use]
    pub fn new(row: RowId, file: Oid) -> Self {
        Self {
            table: row.table.as_u32(),
            file: file.as_u32(),
            block: row.tid.block,
            offset: row.tid.offset,
        }
    }

    /// OID of the row's table, and the row's `ctid`.
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

    /// File (`relfilenode`) to which the `ctid` belongs.
    #[must_use]
    pub fn file(&self) -> Oid {
        Oid::new(self.file)
    }
}

impl TableProgress {
    /// Progress of a table without rows read.
    #[must_use]
    pub fn of(table: TableName) -> Self {
        Self {
            namespace: table.namespace,
            name: table.name,
            oid: None,
            next: None,
            after: None,
            rows: 0,
            filter: None,
            filter_is_sql: false,
            sql_channel: None,
            failures: 0,
            interruptions: 0,
            letters: Vec::new(),
            former_keys: Vec::new(),
            marks: SnapshotType::Initial,
            asked: false,
            membership: None,
            publishing: PublishedSince::Done,
            unread: false,
            partitions: Vec::new(),
            partitions_since: None,
            attached: None,
        }
    }

    /// Progress of partitions of a table without rows read.
    fn of_attached(table: TableName, oid: Option<u32>, attached: AttachedPartitions) -> Self {
        Self {
            oid,
            marks: SnapshotType::Incremental,
            asked: true,
            partitions: attached.partitions,
            partitions_since: Some(attached.since),
            ..Self::of(table)
        }
    }

    /// Whether a snapshot at `lsn` shows the rows that are to be read.
    pub(crate) fn is_shown_at(&self, lsn: Lsn) -> bool {
        self.publishing.allows(lsn) && self.partitions_since.is_none_or(|since| since <= lsn)
    }

    /// Whether all rows of the table are still to be read, from a snapshot that is still to be taken if no snapshot is being
    /// read.
    pub(crate) fn is_untouched(&self) -> bool {
        let selects_all = self.filter.is_none() && self.letters.is_empty() && self.partitions.is_empty();
        selects_all && self.next.is_none() && !self.unread
    }

    /// Name of the table.
    #[must_use]
    pub fn table(&self) -> TableName {
        TableName {
            namespace: self.namespace.clone(),
            name: self.name.clone(),
        }
    }

    /// Number of bytes that a request takes in the checkpoint, apart from table names.
    pub(crate) fn request_bytes(&self) -> usize {
        let letters = self.letters.iter().map(String::len);
        let keys = self.former_keys.iter().flat_map(|key| &key.0);
        let keys = keys.map(|(column, value)| column.len() + value.len());
        self.filter.as_ref().map_or(0, String::len) + letters.chain(keys).sum::<usize>()
    }

    /// Condition of the request.
    ///
    /// # Errors
    ///
    /// Returns an error if the stored text is not a condition of its dialect: an older version, which accepted any SQL,
    /// stored it.
    pub fn condition(&self) -> Result<Option<Condition>, ConditionError> {
        let dialect = match self.filter_is_sql {
            true => Dialect::Sql,
            false => Dialect::Comparisons,
        };
        let filter = self.filter.as_deref();
        filter.map(|text| Condition::parse(text, dialect)).transpose()
    }

    pub(crate) fn is(&self, table: &TableName) -> bool {
        self.namespace == table.namespace && self.name == table.name
    }
}

impl SnapshotProgress {
    /// Progress of tables without rows read.
    #[must_use]
    pub fn of(tables: impl IntoIterator<Item = TableName>) -> Self {
        let mut progress = Self::default();
        tables
            .into_iter()
            .for_each(|table| progress.add(TableProgress::of(table)));
        progress
    }

    /// Adds a table.
    pub(crate) fn add(&mut self, table: TableProgress) {
        if self.id.is_empty() {
            self.id = PgTimestamp::now().unix_micros().to_string();
        }
        self.table_count += 1;
        self.tables.push(table);
    }

    /// Form that a checkpoint stores; `None` if no tables remain.
    pub(crate) fn into_stored(self) -> Option<Self> {
        (!self.tables.is_empty()).then_some(self)
    }

    /// Adds a table that is published now or about to be. Its rows are to be read if the configuration `fills` it; otherwise, if
    /// `needs_stream_restart`, the stream is to be restarted for it.
    pub(crate) fn await_publishing(
        &mut self,
        table: &TableName,
        publishing: PublishedSince,
        fills: bool,
        needs_stream_restart: bool,
        asked: bool,
    ) {
        if let Some(known) = self.find_mut(table) {
            known.publishing = publishing;
        } else if fills || needs_stream_restart {
            self.add(TableProgress {
                marks: SnapshotType::Incremental,
                asked: asked || !fills,
                publishing,
                unread: !fills,
                ..TableProgress::of(table.clone())
            });
        }
    }

    /// Adds partitions that were attached: their rows are read once those of the table are. Snapshots at or after `since` show
    /// them.
    pub(crate) fn await_attached(&mut self, table: &TableName, partitions: &[Oid], since: Lsn) {
        let attached = AttachedPartitions::new(partitions, since);
        match self.find_mut(table) {
            Some(known) => known.attached = Some(attached.after(known.attached.take())),
            None => self.add(TableProgress::of_attached(table.clone(), None, attached)),
        }
    }

    /// Ends a table: its attached partitions follow, or it is removed.
    fn end(&mut self, table: &TableName) {
        if let Some(one) = self.find_mut(table)
            && let Some(attached) = one.attached.take()
        {
            *one = TableProgress::of_attached(table.clone(), one.oid, attached);
        } else {
            self.tables.retain(|one| !one.is(table));
        }
    }

    /// Marks the tables whose changes are all streamed from `lsn` on, and ends those without rows to read.
    pub(crate) fn end_publishing(&mut self, lsn: Lsn) {
        for table in &mut self.tables {
            if table.publishing.allows(lsn) {
                table.publishing = PublishedSince::Done;
            }
        }
        let is_ended = |one: &&TableProgress| one.unread && one.publishing == PublishedSince::Done;
        let ended: Vec<TableName> = self
            .tables
            .iter()
            .filter(is_ended)
            .map(TableProgress::table)
            .collect();
        ended.iter().for_each(|table| self.end(table));
    }

    /// Whether tables with this marker remain.
    pub(crate) fn has_marked(&self, marks: SnapshotType) -> bool {
        self.tables.iter().any(|one| one.marks == marks)
    }

    pub(crate) fn find(&self, table: &TableName) -> Option<&TableProgress> {
        self.tables.iter().find(|one| one.is(table))
    }

    pub(crate) fn find_mut(&mut self, table: &TableName) -> Option<&mut TableProgress> {
        self.tables.iter_mut().find(|one| one.is(table))
    }

    /// Whether this is the last remaining table with its marker.
    pub(crate) fn is_last(&self, table: &TableName) -> bool {
        let mut alike = self
            .tables
            .iter()
            .filter(|one| one.marks == SnapshotType::Initial);
        alike.next().is_some_and(|one| one.is(table)) && alike.next().is_none()
    }

    /// Whether a snapshot at `lsn` has rows to read, or marks where the stream is to be restarted for a table without
    /// rows to read. Such a restart does not wait for a request to resume.
    pub(crate) fn can_be_read_at(&self, lsn: Lsn) -> bool {
        let mut tables = self.tables.iter();
        tables.any(|table| table.is_shown_at(lsn) && (!self.paused || table.unread))
    }

    /// Whether a snapshot that is taken from now on is needed.
    pub(crate) fn wants_snapshot(&self) -> bool {
        self.can_be_read_at(Lsn::MAX)
    }

    /// Removes tables whose rows are no longer to be read. If `needs_stream_restart`, a table whose changes are not
    /// certain to be streamed yet stays, without rows to read.
    pub(crate) fn leave_out(&mut self, tables: &[TableName], needs_stream_restart: bool) {
        for table in tables {
            if let Some(one) = self.find_mut(table) {
                one.attached = None;
            }
            match self.find_mut(table) {
                Some(one) if needs_stream_restart && one.publishing != PublishedSince::Done => {
                    one.unread = true
                }
                _ => self.reach(table, None),
            }
        }
        // A pause without rows to read could not be ended by a request to resume.
        self.paused &= self.tables.iter().any(|one| !one.unread);
    }

    /// Removes a table, with the partitions that would follow.
    pub(crate) fn forget(&mut self, table: &TableName) {
        if let Some(one) = self.find_mut(table) {
            one.attached = None;
            self.reach(table, None);
            self.paused &= self.tables.iter().any(|one| !one.unread);
        }
    }

    /// Ends the snapshot of each marker without remaining tables: tables that are requested later have a beginning of their own.
    pub(super) fn end_marks(&mut self) {
        let initial = self.has_marked(SnapshotType::Initial);
        self.has_first &= initial;
        self.notified_initial &= initial;
        self.notified_incremental &= self.has_marked(SnapshotType::Incremental);
    }

    /// Sets the next row of a table that was read up to it; `None`: the table was completely read.
    pub(crate) fn reach(&mut self, table: &TableName, next: Option<NextRow>) {
        match next {
            None => {
                // Debezium counts the first row of the first table as the first of all, and none if that table is
                // empty.
                let ended = self.find(table).map(|one| one.marks);
                self.has_first |= ended == Some(SnapshotType::Initial);
                self.end(table);
                self.end_marks();
            }
            Some(row) => {
                if let Some(one) = self.find_mut(table) {
                    // Reading has advanced, so earlier failures no longer count.
                    if one.next.replace(row) != Some(row) {
                        one.failures = 0;
                        one.interruptions = 0;
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
