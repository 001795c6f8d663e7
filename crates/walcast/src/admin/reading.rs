//! How far reading existing rows is, as it is shown.

use serde::{Deserialize, Serialize};
use walcast_delivery::{Board, BoardedTable, Metrics};

/// More tables than these are summed up only.
const TABLES_SHOWN: usize = 1000;

/// How far reading existing rows is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct ExistingRows {
    /// `none`, `waiting` for a snapshot, `reading`, or `paused`.
    pub(crate) state: String,
    /// By this process.
    pub(crate) rows_read: u64,
    /// Tables of which rows are still to be read.
    pub(crate) tables_left: usize,
    /// Tables read to their end since reading was begun.
    pub(crate) tables_done: usize,
    /// What is left of those tables, more or less.
    pub(crate) bytes_left: u64,
    /// The position of the snapshot that is being read.
    pub(crate) snapshot_lsn: Option<String>,
    /// How long it is held: so long the server keeps what it shows.
    pub(crate) held_seconds: Option<u64>,
    /// Since it was taken.
    pub(crate) rows_per_second: Option<u64>,
    /// Until everything is read, if it goes on like this.
    pub(crate) seconds_left: Option<u64>,
    /// One by one, in the order in which they are read.
    pub(crate) tables: Vec<Table>,
}

/// A table that is not read to its end.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Table {
    pub(crate) table: String,
    /// By this process.
    pub(crate) rows: u64,
    /// Its size, more or less.
    pub(crate) bytes: Option<u64>,
    pub(crate) bytes_left: Option<u64>,
    pub(crate) percent: Option<f64>,
}

impl ExistingRows {
    pub(super) fn of(metrics: &Metrics) -> Self {
        let board = metrics.snapshot.read();
        let window = board.window;
        Self {
            state: state(&board).to_owned(),
            rows_read: metrics.snapshot_rows.get(),
            tables_left: board.tables.len(),
            tables_done: board.tables_done,
            bytes_left: board.bytes_left(),
            snapshot_lsn: window.map(|window| window.lsn.to_string()),
            held_seconds: window.map(|window| window.since.elapsed().as_secs()),
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "a rate for people; it is not negative"
            )]
            rows_per_second: window.map(|window| window.rows_per_second() as u64),
            seconds_left: board.time_left().map(|left| left.as_secs()),
            tables: board.tables.iter().take(TABLES_SHOWN).map(Table::of).collect(),
        }
    }
}

fn state(board: &Board) -> &'static str {
    match (board.tables.is_empty(), board.paused, board.window) {
        (true, _, _) => "none",
        (false, true, _) => "paused",
        (false, false, None) => "waiting",
        (false, false, Some(_)) => "reading",
    }
}

impl Table {
    fn of(table: &BoardedTable) -> Self {
        Self {
            table: table.table.to_string(),
            rows: table.rows,
            bytes: table.bytes,
            bytes_left: table.bytes_left,
            percent: table.percent().map(|percent| (percent * 10.0).round() / 10.0),
        }
    }
}
