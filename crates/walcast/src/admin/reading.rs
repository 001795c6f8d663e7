//! Progress of snapshots in `/snapshot` and `/status`.

use serde::{Deserialize, Serialize};
use walcast_delivery::{SnapshotTableStatus, SnapshotView};

/// Maximum number of tables in a response; further tables are contained in the totals only.
const TABLES_SHOWN: usize = 1000;

/// Progress of reading existing rows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct ExistingRows {
    /// `none`, `waiting` for a snapshot, `reading`, or `paused`.
    pub(crate) state: String,
    /// Number of rows that this process has read.
    pub(crate) rows_read: u64,
    /// Number of tables with rows that remain to be read.
    pub(crate) tables_remaining: usize,
    /// Number of tables that were completed since the snapshot was started.
    pub(crate) tables_completed: usize,
    /// Estimated remaining size of the tables.
    pub(crate) bytes_remaining: u64,
    /// Position of the database snapshot that is being read.
    pub(crate) snapshot_lsn: Option<String>,
    /// Time for which the database snapshot has been open; the server cannot vacuum newer rows meanwhile.
    pub(crate) held_seconds: Option<u64>,
    /// Rate since the database snapshot was taken.
    pub(crate) rows_per_second: Option<u64>,
    /// Estimated time until all rows are read, at the current rate.
    pub(crate) seconds_remaining: Option<u64>,
    /// Tables in the order in which they are read.
    pub(crate) tables: Vec<Table>,
}

/// Table with rows that remain to be read.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Table {
    pub(crate) table: String,
    /// Number of rows that this process has read.
    pub(crate) rows: u64,
    /// Estimated size of the table.
    pub(crate) bytes: Option<u64>,
    pub(crate) bytes_remaining: Option<u64>,
    pub(crate) percent: Option<f64>,
}

impl ExistingRows {
    /// Progress of a connector that has read `rows_read` rows.
    pub(super) fn new(view: &SnapshotView, rows_read: u64) -> Self {
        let window = view.window;
        Self {
            state: state(view).to_owned(),
            rows_read,
            tables_remaining: view.tables.len(),
            tables_completed: view.tables_done,
            bytes_remaining: view.bytes_left(),
            snapshot_lsn: window.map(|window| window.lsn.to_string()),
            held_seconds: window.map(|window| window.since.elapsed().as_secs()),
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "a rate for display; it is not negative"
            )]
            rows_per_second: window.map(|window| window.rows_per_second() as u64),
            seconds_remaining: view.time_left().map(|left| left.as_secs()),
            tables: view.tables.iter().take(TABLES_SHOWN).map(Table::of).collect(),
        }
    }
}

fn state(view: &SnapshotView) -> &'static str {
    match (view.tables.is_empty(), view.paused, view.window) {
        (true, _, _) => "none",
        (false, true, _) => "paused",
        (false, false, None) => "waiting",
        (false, false, Some(_)) => "reading",
    }
}

impl Table {
    fn of(table: &SnapshotTableStatus) -> Self {
        Self {
            table: table.table.to_string(),
            rows: table.rows,
            bytes: table.bytes,
            bytes_remaining: table.bytes_left,
            percent: table.percent().map(|percent| (percent * 10.0).round() / 10.0),
        }
    }
}
