//! Snapshot progress, for observers.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use walcast_mapper::TableName;
use walcast_pgoutput::Lsn;

use crate::snapshot::progress::SnapshotProgress;

/// Shared snapshot progress. Clones share the state.
#[derive(Clone, Debug, Default)]
pub struct SnapshotStatus(Arc<Mutex<SnapshotView>>);

/// Snapshot progress.
#[derive(Clone, Debug, Default)]
pub struct SnapshotView {
    /// Tables that are not completely read, in reading order.
    pub tables: Vec<SnapshotTableStatus>,
    /// Whether reading is paused until a request to resume.
    pub paused: bool,
    /// Snapshot that is being read; `None` while changes are streamed.
    pub window: Option<Window>,
    /// Tables that were completely read since reading last began.
    pub tables_done: usize,
    /// Rows in Kafka since reading last began.
    pub rows: u64,
    /// Approximate number of bytes that remain of the table that is being read.
    pub table_bytes_left: u64,
    /// Table sizes in bytes, as far as known.
    sizes: BTreeMap<TableName, u64>,
}

/// Snapshot that is being read.
#[derive(Clone, Copy, Debug)]
pub struct Window {
    /// Position of the snapshot.
    pub lsn: Lsn,
    /// Time since which the snapshot has been held.
    pub since: Instant,
    /// Rows read from the snapshot.
    pub rows: u64,
    /// Approximate number of bytes of tables read from the snapshot.
    pub bytes: u64,
}

/// Progress of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnapshotTableStatus {
    /// Name of the table.
    pub table: TableName,
    /// Rows read by this process.
    pub rows: u64,
    /// Approximate size in bytes when the snapshot was taken; `None`: not known yet.
    pub bytes: Option<u64>,
    /// Approximate number of bytes that remain.
    pub bytes_left: Option<u64>,
}

impl SnapshotStatus {
    /// Current progress.
    #[must_use]
    pub fn read(&self) -> SnapshotView {
        self.lock().clone()
    }

    /// Shows the remaining tables; the progress of known tables is kept. `None`: none remain.
    pub(crate) fn show(&self, progress: Option<&SnapshotProgress>) {
        let mut view = self.lock();
        let Some(progress) = progress else {
            *view = SnapshotView {
                tables_done: view.tables_done.saturating_add(view.tables.len()),
                ..SnapshotView::default()
            };
            return;
        };
        view.paused = progress.paused;
        view.rows = progress.rows;
        view.tables_done = progress.table_count.saturating_sub(progress.tables.len());
        // Tables are removed at any position, and added at the end.
        let SnapshotView { tables, sizes, .. } = &mut *view;
        let mut left = progress.tables.iter().peekable();
        tables.retain(|known| left.next_if(|one| one.is(&known.table)).is_some());
        tables.extend(left.map(|one| {
            let table = one.table();
            let bytes = sizes.get(&table).copied();
            SnapshotTableStatus {
                table,
                rows: 0,
                bytes,
                bytes_left: bytes,
            }
        }));
    }

    /// Shows that a snapshot is being read.
    pub(crate) fn begin(&self, lsn: Lsn, sizes: BTreeMap<TableName, u64>) {
        let mut view = self.lock();
        view.window = Some(Window {
            lsn,
            since: Instant::now(),
            rows: 0,
            bytes: 0,
        });
        view.sizes = sizes;
        let SnapshotView { tables, sizes, .. } = &mut *view;
        for table in tables {
            if table.bytes.is_none() {
                table.bytes = sizes.get(&table.table).copied();
                table.bytes_left = table.bytes;
            }
        }
    }

    /// Shows that rows of a table were read.
    pub(crate) fn advance(&self, table: &TableName, rows: u64, bytes: u64, bytes_left: u64) {
        let mut view = self.lock();
        view.rows += rows;
        view.table_bytes_left = bytes_left;
        if let Some(window) = &mut view.window {
            window.rows += rows;
            window.bytes += bytes;
        }
        if let Some(one) = view.tables.iter_mut().find(|one| one.table == *table) {
            one.rows += rows;
            one.bytes = Some(one.bytes.unwrap_or(bytes_left).max(bytes_left));
            one.bytes_left = Some(bytes_left);
        }
    }

    /// Shows that the snapshot is no longer held.
    pub(crate) fn end(&self) {
        self.lock().window = None;
    }

    /// Locks the state. A poisoned lock is ignored: no code panics while holding it, and a display is not worth
    /// stopping the connector.
    fn lock(&self) -> MutexGuard<'_, SnapshotView> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl SnapshotView {
    /// Approximate number of bytes that remain of all tables.
    #[must_use]
    pub fn bytes_left(&self) -> u64 {
        self.tables.iter().filter_map(|table| table.bytes_left).sum()
    }

    /// Approximate total size of the remaining tables in bytes.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.tables.iter().filter_map(|table| table.bytes).sum()
    }

    /// Estimated time until all tables are read, at the rate since the snapshot was taken; `None`: not known yet.
    #[must_use]
    pub fn time_left(&self) -> Option<Duration> {
        let window = self.window?;
        let seconds = window.since.elapsed().as_secs_f64() * ratio(self.bytes_left(), window.bytes)?;
        Duration::try_from_secs_f64(seconds).ok()
    }
}

impl Window {
    /// Rows read per second.
    #[must_use]
    pub fn rows_per_second(&self) -> f64 {
        let millis = u64::try_from(self.since.elapsed().as_millis()).unwrap_or(u64::MAX);
        ratio(self.rows, millis).map_or(0.0, |rows| rows * 1000.0)
    }
}

impl SnapshotTableStatus {
    /// Percentage of the table that is read; `None`: not known yet.
    #[must_use]
    pub fn percent(&self) -> Option<f64> {
        let left = ratio(self.bytes_left?, self.bytes?).unwrap_or(0.0);
        Some((100.0 * (1.0 - left)).clamp(0.0, 100.0))
    }
}

/// Ratio of two numbers; `None` if the whole is zero.
fn ratio(part: u64, whole: u64) -> Option<f64> {
    #[expect(clippy::cast_precision_loss, reason = "figures for people")]
    (whole > 0).then(|| part as f64 / whole as f64)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use walcast_mapper::TableName;
    use walcast_pgoutput::Lsn;

    use super::SnapshotStatus;
    use crate::snapshot::progress::SnapshotProgress;

    fn table(name: &str) -> TableName {
        TableName {
            namespace: "public".to_owned(),
            name: name.to_owned(),
        }
    }

    #[test]
    fn shows_the_remaining_part_of_each_table() {
        let view = SnapshotStatus::default();
        let mut progress = SnapshotProgress::of([table("a"), table("b")]);
        view.show(Some(&progress));
        assert_eq!(view.read().tables[0].percent(), None);
        view.begin(
            Lsn::new(1),
            BTreeMap::from([(table("a"), 800), (table("b"), 200)]),
        );
        view.advance(&table("a"), 10, 200, 600);
        let shown = view.read();
        assert_eq!(shown.tables[0].percent(), Some(25.0));
        assert_eq!((shown.bytes_left(), shown.bytes()), (800, 1000));
        assert!(shown.time_left().is_some());
        progress.reach(&table("a"), None);
        view.show(Some(&progress));
        let shown = view.read();
        assert_eq!((shown.tables.len(), shown.tables_done), (1, 1));
        assert_eq!(shown.tables[0].percent(), Some(0.0));
        view.show(None);
        assert!(view.read().tables.is_empty() && view.read().window.is_none());
        view.show(None);
        assert_eq!(view.read().tables_done, 2, "it stays visible that they were read");
        view.show(Some(&SnapshotProgress::of([table("c")])));
        assert_eq!(view.read().tables_done, 0);
    }
}
