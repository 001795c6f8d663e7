//! Table that is being read, and its deferred last row: the row's marker depends on whether another row follows.

use walcast_mapper::{RowId, SnapshotMarker, TableName};
use walcast_pgoutput::{CopyDecoder, Oid, Tid, Tuple};

use crate::encode::tables::rows::RowsPlan;
use crate::error::DeliveryError;
use crate::snapshot::former_key::FormerKey;
use crate::snapshot::progress::{NextRow, SnapshotProgress, SnapshotType, TableProgress};

/// Table that is being read, or was read except for its last row.
pub(super) struct Table {
    pub(super) name: TableName,
    pub(super) plan: RowsPlan,
    marks: SnapshotType,
    /// Rows written from this snapshot and earlier ones.
    pub(super) rows: u64,
    last_row: LastRow,
    /// Whether the rows are read in an order of their own: their places say nothing of what is left to be read.
    is_ordered: bool,
    /// Number of the last written event of an event store, and the table or partition that holds it.
    written_event: Option<(Oid, i64)>,
    pub(super) bytes_left: u64,
    /// Keys whose rows may no longer exist.
    pub(super) former_keys: Vec<FormerKey>,
    /// Keys among these that no row has, once the table was completely read.
    pub(super) missing: Vec<FormerKey>,
}

/// Row that is written once it is known whether another row follows.
#[derive(Default)]
struct LastRow {
    table: Oid,
    file: Oid,
    /// Text of the row; empty if no row is deferred.
    line: Vec<u8>,
}

impl Table {
    pub(super) fn new(progress: &TableProgress, plan: RowsPlan, is_ordered: bool, bytes_left: u64) -> Self {
        Self {
            name: progress.table(),
            plan,
            marks: progress.marks,
            rows: progress.rows,
            last_row: LastRow::default(),
            is_ordered,
            written_event: progress.last_event(),
            bytes_left,
            former_keys: progress.former_keys.clone(),
            missing: Vec::new(),
        }
    }

    /// Whether the progress has this table under this name: it may have been renamed meanwhile, and another table may have its name.
    pub(super) fn is_named_in(&self, progress: &SnapshotProgress) -> bool {
        let named = progress.find(&self.name);
        named.is_some_and(|one| one.is_of(self.plan.oid(), &self.name))
    }

    /// Whether a row is deferred.
    pub(super) fn has_last_row(&self) -> bool {
        !self.last_row.line.is_empty()
    }

    /// Defers a row, after the previous one was written.
    pub(super) fn defer(&mut self, table: Oid, file: Oid, line: &[u8]) {
        self.last_row.table = table;
        self.last_row.file = file;
        self.last_row.line.clear();
        self.last_row.line.extend_from_slice(line);
    }

    /// Clears the deferred row after it was written.
    pub(super) fn written(&mut self) {
        self.last_row.line.clear();
        self.rows += 1;
    }

    /// Remembers the number of an event that was written.
    pub(super) fn wrote_event(&mut self, table: Oid, number: Option<i64>) {
        if let Some(number) = number {
            self.written_event = Some((table, number));
        }
    }

    /// Number of the last written event in the table or partition of the last row that was deferred.
    pub(super) fn last_event(&self) -> Option<i64> {
        let (table, number) = self.written_event?;
        (table == self.last_row.table).then_some(number)
    }

    /// Drops the deferred row.
    pub(super) fn drop_last_row(&mut self) {
        self.last_row.line.clear();
    }

    /// Deferred row and its identity.
    pub(super) fn decode_last_row<'d>(
        &self,
        decoder: &'d mut CopyDecoder,
    ) -> Result<(RowId, Tuple<'d>), DeliveryError> {
        let decoded = decoder.decode(&self.last_row.line);
        let row = decoded.map_err(|source| DeliveryError::CopiedRow {
            table: self.name.clone(),
            source,
        })?;
        let id = RowId {
            table: self.last_row.table,
            tid: row.tid,
        };
        Ok((id, row.values))
    }

    /// Deferred row, its identity and the plan of its record.
    pub(super) fn decode_last_row_with_plan<'d>(
        &mut self,
        decoder: &'d mut CopyDecoder,
    ) -> Result<(RowId, Tuple<'d>, &mut RowsPlan), DeliveryError> {
        let (id, values) = self.decode_last_row(decoder)?;
        Ok((id, values, &mut self.plan))
    }

    /// Deferred row, as the next to be read.
    pub(super) fn last_row(&self, decoder: &mut CopyDecoder) -> Result<NextRow, DeliveryError> {
        let (row, _) = self.decode_last_row(decoder)?;
        Ok(self.next(row.table, row.tid))
    }

    /// Position after a row.
    pub(super) fn behind(&self, row: RowId) -> NextRow {
        self.next(row.table, row.tid.next())
    }

    /// Position of a row. If the table is no event store any more, it is read from its first row.
    fn next(&self, table: Oid, tid: Tid) -> NextRow {
        let tid = if self.is_ordered { Tid::START } else { tid };
        NextRow::new(RowId { table, tid }, self.last_row.file)
    }

    /// Marker of the deferred row if another row of the table follows, or may follow.
    pub(super) fn marker(&self, progress: &SnapshotProgress) -> SnapshotMarker {
        match (self.marks, self.rows) {
            (SnapshotType::Incremental, _) => SnapshotMarker::Incremental,
            (SnapshotType::Initial, _) if !progress.has_first => SnapshotMarker::First,
            (SnapshotType::Initial, 0) => SnapshotMarker::FirstInTable,
            (SnapshotType::Initial, _) => SnapshotMarker::Row,
        }
    }

    /// Marker of the deferred row if no row of its table follows. The marker of the first row of all takes precedence,
    /// as in Debezium.
    pub(super) fn last_marker(&self, progress: &SnapshotProgress, is_last_of_all: bool) -> SnapshotMarker {
        match self.marker(progress) {
            SnapshotMarker::Incremental => SnapshotMarker::Incremental,
            _ if is_last_of_all => SnapshotMarker::Last,
            SnapshotMarker::First => SnapshotMarker::First,
            _ => SnapshotMarker::LastInTable,
        }
    }
}
