//! Snapshot requests that a checkpoint stores, for a connector that does not run: dropping an unreadable request must
//! not require a running connector.

use walcast_mapper::TableName;
use walcast_mapper::pattern::TablePattern;

use crate::snapshot::progress::{SnapshotProgress, TableProgress};

impl SnapshotProgress {
    /// Tables that were requested while changes were streamed, in reading order.
    pub fn requests(&self) -> impl Iterator<Item = &TableProgress> {
        self.tables.iter().filter(|table| table.asked && !table.unread)
    }

    /// Drops requests by table (no pattern: all), and returns their tables. A table whose changes are not certain to be
    /// streamed yet stays, without rows to read.
    pub fn drop_requests(&mut self, patterns: &[TablePattern]) -> Vec<TableName> {
        let is_chosen =
            |table: &TableName| patterns.is_empty() || patterns.iter().any(|pattern| pattern.matches(table));
        let requests = self.requests().map(TableProgress::table);
        let dropped: Vec<TableName> = requests.filter(is_chosen).collect();
        // The server's version is not known here: a table without rows to read is harmless on any version.
        self.leave_out(&dropped, true);
        dropped
    }
}

#[cfg(test)]
mod tests {
    use walcast_mapper::TableName;
    use walcast_pgoutput::Lsn;

    use crate::snapshot::progress::PublishedSince;
    use crate::snapshot::progress::{SnapshotProgress, TableProgress};

    fn table(name: &str, asked: bool, publishing: PublishedSince) -> TableProgress {
        TableProgress {
            asked,
            publishing,
            ..TableProgress::of(TableName {
                namespace: "public".to_owned(),
                name: name.to_owned(),
            })
        }
    }

    fn left(progress: &SnapshotProgress) -> Vec<(&str, bool)> {
        let tables = progress.tables.iter();
        tables.map(|table| (table.name.as_str(), table.unread)).collect()
    }

    #[test]
    fn drops_only_requests() {
        let mut progress = SnapshotProgress {
            paused: true,
            tables: vec![
                table("initial", false, PublishedSince::Done),
                table("orders", true, PublishedSince::Done),
                table("items", true, PublishedSince::Since(Lsn::new(7))),
            ],
            ..SnapshotProgress::default()
        };
        assert_eq!(progress.requests().count(), 2);
        assert!(
            progress
                .drop_requests(&["public.nothing".parse().unwrap()])
                .is_empty()
        );
        let dropped = progress.drop_requests(&["public.orders".parse().unwrap()]);
        assert_eq!(dropped[0].name, "orders");
        assert_eq!(left(&progress), [("initial", false), ("items", false)]);
        assert_eq!(progress.drop_requests(&[]).len(), 1);
        assert_eq!(left(&progress), [("initial", false), ("items", true)]);
        assert!(progress.paused && progress.drop_requests(&[]).is_empty());
    }
}
