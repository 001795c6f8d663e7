//! A table that is being read, and its last row: what a row is marked as depends on whether another one follows.

use walcast_mapper::{RowId, SnapshotMark, TableName};
use walcast_pgoutput::{CopyDecoder, Oid, Tuple};

use crate::relations::RowsPlan;
use crate::snapshot::{Marks, NextRow, TableProgress};
use crate::{DeliveryError, FormerKey, SnapshotProgress};

/// A table that is being read, or was read but for its last row.
pub(super) struct Table {
    pub(super) name: TableName,
    pub(super) plan: RowsPlan,
    marks: Marks,
    /// Whether somebody asked for it while changes were streamed.
    pub(super) asked: bool,
    /// How many rows of it were written, by this reading and earlier ones.
    pub(super) rows: u64,
    held: Held,
    pub(super) bytes_left: u64,
    /// Keys that are asked for as those of rows that are gone.
    pub(super) former_keys: Vec<FormerKey>,
    /// Those that no row has, once it was read to its end.
    pub(super) gone: Vec<FormerKey>,
}

/// The row that is written when it is known whether another one follows.
#[derive(Default)]
struct Held {
    table: Oid,
    file: Oid,
    /// Empty when no row is held.
    line: Vec<u8>,
}

impl Table {
    pub(super) fn new(progress: &TableProgress, plan: RowsPlan, bytes_left: u64) -> Self {
        Self {
            name: progress.table(),
            plan,
            marks: progress.marks,
            asked: progress.asked,
            rows: progress.rows,
            held: Held::default(),
            bytes_left,
            former_keys: progress.former_keys.clone(),
            gone: Vec::new(),
        }
    }

    pub(super) fn holds_row(&self) -> bool {
        !self.held.line.is_empty()
    }

    /// Holds a row. The one before was written.
    pub(super) fn hold(&mut self, table: Oid, file: Oid, line: &[u8]) {
        self.held.table = table;
        self.held.file = file;
        self.held.line.clear();
        self.held.line.extend_from_slice(line);
    }

    /// The row that is held was written.
    pub(super) fn written(&mut self) {
        self.held.line.clear();
        self.rows += 1;
    }

    /// The row that is held is not wanted any more.
    pub(super) fn drop_held(&mut self) {
        self.held.line.clear();
    }

    /// The row that is held, and what it is recognized by.
    pub(super) fn decode_held<'d>(
        &self,
        decoder: &'d mut CopyDecoder,
    ) -> Result<(RowId, Tuple<'d>), DeliveryError> {
        let decoded = decoder.decode(&self.held.line);
        let row = decoded.map_err(|source| DeliveryError::CopiedRow {
            table: self.name.clone(),
            source,
        })?;
        let id = RowId {
            table: self.held.table,
            tid: row.tid,
        };
        Ok((id, row.values))
    }

    /// The same with the way to make a record of it.
    pub(super) fn decode_held_with_plan<'d>(
        &mut self,
        decoder: &'d mut CopyDecoder,
    ) -> Result<(RowId, Tuple<'d>, &mut RowsPlan), DeliveryError> {
        let (id, values) = self.decode_held(decoder)?;
        Ok((id, values, &mut self.plan))
    }

    /// The row that is held, as the one where reading goes on.
    pub(super) fn held_row(&self, decoder: &mut CopyDecoder) -> Result<NextRow, DeliveryError> {
        let (row, _) = self.decode_held(decoder)?;
        Ok(NextRow::new(row, self.held.file))
    }

    /// The place behind a row that was held.
    pub(super) fn behind(&self, row: RowId) -> NextRow {
        let next = RowId {
            tid: row.tid.next(),
            ..row
        };
        NextRow::new(next, self.held.file)
    }

    /// The mark of the held row, when another one of the table follows, or may.
    pub(super) fn mark(&self, progress: &SnapshotProgress) -> SnapshotMark {
        match (self.marks, self.rows) {
            (Marks::Incremental, _) => SnapshotMark::Incremental,
            (Marks::Initial, _) if !progress.has_first => SnapshotMark::First,
            (Marks::Initial, 0) => SnapshotMark::FirstInTable,
            (Marks::Initial, _) => SnapshotMark::Row,
        }
    }

    /// The mark of the held row, when none follows in its table; Debezium counts the first of all before it.
    pub(super) fn last_mark(&self, progress: &SnapshotProgress, is_last_of_all: bool) -> SnapshotMark {
        match self.mark(progress) {
            SnapshotMark::Incremental => SnapshotMark::Incremental,
            _ if is_last_of_all => SnapshotMark::Last,
            SnapshotMark::First => SnapshotMark::First,
            _ => SnapshotMark::LastInTable,
        }
    }
}
