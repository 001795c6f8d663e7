//! How far reading is, for those who watch it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use walcast_mapper::TableName;
use walcast_pgoutput::Lsn;

use super::SnapshotProgress;

/// How far reading is. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct SnapshotBoard(Arc<Mutex<Board>>);

/// What stands on it.
#[derive(Clone, Debug, Default)]
pub struct Board {
    /// The tables that are not read to their end, in the order in which they are read.
    pub tables: Vec<BoardedTable>,
    /// Whether reading waits for a request to resume.
    pub paused: bool,
    /// The snapshot that is being read; `None`: changes are streamed.
    pub window: Option<Window>,
    /// Tables read to their end since something was last begun.
    pub tables_done: usize,
    /// Rows in Kafka since then.
    pub rows: u64,
    /// Sizes, as far as they are known.
    sizes: BTreeMap<TableName, u64>,
}

/// A snapshot while it is read.
#[derive(Clone, Copy, Debug)]
pub struct Window {
    /// Its position.
    pub lsn: Lsn,
    /// Since when it is held.
    pub since: Instant,
    /// Rows read from it.
    pub rows: u64,
    /// Bytes of tables left behind in it, more or less.
    pub bytes: u64,
}

/// A table on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BoardedTable {
    /// The table.
    pub table: TableName,
    /// Rows read by this process.
    pub rows: u64,
    /// Its size when its snapshot was taken, more or less; `None`: not known yet.
    pub bytes: Option<u64>,
    /// What is left of it, more or less.
    pub bytes_left: Option<u64>,
}

impl SnapshotBoard {
    /// What stands on it now.
    #[must_use]
    pub fn read(&self) -> Board {
        self.lock().clone()
    }

    /// Takes over what is left; what is known of its tables stays.
    pub(crate) fn show(&self, progress: Option<&SnapshotProgress>) {
        let mut board = self.lock();
        let Some(progress) = progress else {
            *board = Board::default();
            return;
        };
        board.paused = progress.paused;
        board.rows = progress.rows;
        board.tables_done = progress.table_count.saturating_sub(progress.tables.len());
        // Tables are taken out anywhere, and added at the end.
        let Board { tables, sizes, .. } = &mut *board;
        let mut left = progress.tables.iter().peekable();
        tables.retain(|known| left.next_if(|one| one.is(&known.table)).is_some());
        tables.extend(left.map(|one| {
            let table = one.table();
            let bytes = sizes.get(&table).copied();
            BoardedTable {
                table,
                rows: 0,
                bytes,
                bytes_left: bytes,
            }
        }));
    }

    /// A snapshot is read from now on.
    pub(crate) fn begin(&self, lsn: Lsn, sizes: BTreeMap<TableName, u64>) {
        let mut board = self.lock();
        board.window = Some(Window {
            lsn,
            since: Instant::now(),
            rows: 0,
            bytes: 0,
        });
        board.sizes = sizes;
        let Board { tables, sizes, .. } = &mut *board;
        for table in tables {
            if table.bytes.is_none() {
                table.bytes = sizes.get(&table.table).copied();
                table.bytes_left = table.bytes;
            }
        }
    }

    /// Rows of a table were read.
    pub(crate) fn advance(&self, table: &TableName, rows: u64, bytes: u64, bytes_left: u64) {
        let mut board = self.lock();
        board.rows += rows;
        if let Some(window) = &mut board.window {
            window.rows += rows;
            window.bytes += bytes;
        }
        if let Some(one) = board.tables.iter_mut().find(|one| one.table == *table) {
            one.rows += rows;
            one.bytes = Some(one.bytes.unwrap_or(bytes_left).max(bytes_left));
            one.bytes_left = Some(bytes_left);
        }
    }

    /// The snapshot is not held any more.
    pub(crate) fn end(&self) {
        self.lock().window = None;
    }

    /// Nobody panics while holding it; a board is worth less than whatever would end because of one.
    fn lock(&self) -> MutexGuard<'_, Board> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Board {
    /// What is left of all tables, more or less.
    #[must_use]
    pub fn bytes_left(&self) -> u64 {
        self.tables.iter().filter_map(|table| table.bytes_left).sum()
    }

    /// What there was of the tables that are left, more or less.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.tables.iter().filter_map(|table| table.bytes).sum()
    }

    /// When everything is read if it goes on as since the snapshot was taken; `None`: that is not known yet.
    #[must_use]
    pub fn time_left(&self) -> Option<Duration> {
        let window = self.window?;
        let seconds = window.since.elapsed().as_secs_f64() * ratio(self.bytes_left(), window.bytes)?;
        Duration::try_from_secs_f64(seconds).ok()
    }
}

impl Window {
    /// Rows in a second.
    #[must_use]
    pub fn rows_per_second(&self) -> f64 {
        let millis = u64::try_from(self.since.elapsed().as_millis()).unwrap_or(u64::MAX);
        ratio(self.rows, millis).map_or(0.0, |rows| rows * 1000.0)
    }
}

impl BoardedTable {
    /// How much of it is read, of a hundred; `None`: not known yet.
    #[must_use]
    pub fn percent(&self) -> Option<f64> {
        let left = ratio(self.bytes_left?, self.bytes?).unwrap_or(0.0);
        Some((100.0 * (1.0 - left)).clamp(0.0, 100.0))
    }
}

/// `None` where there is nothing to compare with.
fn ratio(part: u64, whole: u64) -> Option<f64> {
    #[expect(clippy::cast_precision_loss, reason = "figures for people")]
    (whole > 0).then(|| part as f64 / whole as f64)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use walcast_mapper::TableName;
    use walcast_pgoutput::Lsn;

    use super::SnapshotBoard;
    use crate::SnapshotProgress;

    fn table(name: &str) -> TableName {
        TableName {
            namespace: "public".to_owned(),
            name: name.to_owned(),
        }
    }

    #[test]
    fn it_shows_what_is_left_of_each_table() {
        let board = SnapshotBoard::default();
        let mut progress = SnapshotProgress::of([table("a"), table("b")]);
        board.show(Some(&progress));
        assert_eq!(board.read().tables[0].percent(), None);
        board.begin(
            Lsn::new(1),
            BTreeMap::from([(table("a"), 800), (table("b"), 200)]),
        );
        board.advance(&table("a"), 10, 200, 600);
        let shown = board.read();
        assert_eq!(shown.tables[0].percent(), Some(25.0));
        assert_eq!((shown.bytes_left(), shown.bytes()), (800, 1000));
        assert!(shown.time_left().is_some());
        progress.reach(&table("a"), None);
        board.show(Some(&progress));
        let shown = board.read();
        assert_eq!((shown.tables.len(), shown.tables_done), (1, 1));
        assert_eq!(shown.tables[0].percent(), Some(0.0));
        board.show(None);
        assert!(board.read().tables.is_empty() && board.read().window.is_none());
    }
}
