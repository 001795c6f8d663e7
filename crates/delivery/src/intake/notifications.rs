//! Tells programs that wait for it how far reading is, in the same Kafka transaction as the rows.

use walcast_mapper::{Notification, SnapshotEvent, SnapshotKind, TableName};

use super::{Intake, IntakeFault};
use crate::edge::{RowsCatalog, SchemaRegistry, Snapshots, Topics};
use crate::snapshot::{Marks, SnapshotProgress};

/// More about a notification, in Debezium's words.
const DATA_COLLECTIONS: &str = "data_collections";
const CURRENT: &str = "current_collection_in_progress";
const SCANNED: &str = "scanned_collection";
const TOTAL_ROWS: &str = "total_rows_scanned";
const STATUS: &str = "status";

/// How reading a table ended.
#[derive(Clone, Copy, Debug)]
pub(super) enum Scan {
    Succeeded,
    Empty,
    Failed,
    Missing,
}

impl Scan {
    /// Whether the rows that were wanted are in Kafka, or there are none.
    fn is_of_rows(self) -> bool {
        match self {
            Self::Succeeded | Self::Empty => true,
            Self::Failed | Self::Missing => false,
        }
    }

    fn as_str(self, marks: Marks) -> &'static str {
        match (self, marks) {
            // A first start knows no empty tables.
            (Self::Succeeded, _) | (Self::Empty, Marks::Initial) => "SUCCEEDED",
            (Self::Empty, Marks::Incremental) => "EMPTY",
            (Self::Failed, _) => "SQL_EXCEPTION",
            (Self::Missing, _) => "UNKNOWN_SCHEMA",
        }
    }
}

impl<C: RowsCatalog, T: Topics, R: SchemaRegistry, N: Snapshots> Intake<'_, C, T, R, N> {
    /// Reading of tables that are marked alike begins, once.
    pub(super) async fn notify_start(&mut self) -> Result<(), IntakeFault> {
        for marks in [Marks::Initial, Marks::Incremental] {
            let progress = &mut self.rows.progress;
            let is_left = progress.has_marked(marks);
            let is_notified = match marks {
                Marks::Initial => &mut progress.notified_initial,
                Marks::Incremental => &mut progress.notified_incremental,
            };
            if !is_left || std::mem::replace(is_notified, true) {
                continue;
            }
            let data = |progress: &SnapshotProgress| match marks {
                Marks::Initial => Vec::new(),
                Marks::Incremental => vec![(DATA_COLLECTIONS, listed(progress, marks))],
            };
            self.notify(marks, SnapshotEvent::Started, data).await?;
        }
        Ok(())
    }

    pub(super) async fn notify_table(&mut self, table: &TableName) -> Result<(), IntakeFault> {
        let Some(marks) = self.rows.progress.find(table).map(|one| one.marks) else {
            return Ok(());
        };
        let data = |progress: &SnapshotProgress| {
            vec![
                (DATA_COLLECTIONS, listed(progress, marks)),
                (CURRENT, table.to_string()),
            ]
        };
        self.notify(marks, SnapshotEvent::InProgress, data).await
    }

    /// A table is read to its end: it is taken out of what is left.
    pub(super) async fn end_table(&mut self, table: &TableName, scan: Scan) -> Result<(), IntakeFault> {
        let Some(one) = self.rows.progress.find(table) else {
            return Ok(());
        };
        let (marks, rows, letters) = (one.marks, one.rows, one.letters.clone());
        if scan.is_of_rows() {
            // Behind the rows, and committed with them.
            self.relations.take_off(&letters, &mut self.parcel.batch).await?;
        }
        let data = |progress: &SnapshotProgress| {
            vec![
                (DATA_COLLECTIONS, listed(progress, marks)),
                (SCANNED, table.to_string()),
                (TOTAL_ROWS, rows.to_string()),
                (STATUS, scan.as_str(marks).to_owned()),
            ]
        };
        self.notify(marks, SnapshotEvent::TableScanCompleted, data)
            .await?;
        self.rows.progress.reach(table, None);
        self.show_progress();
        if !self.rows.progress.has_marked(marks) {
            self.notify(marks, SnapshotEvent::Completed, |_| Vec::new())
                .await?;
        }
        // Whatever becomes of the next table: its last row is not sent without word that it was.
        self.parcel.notes.snapshot = Some(self.rows.stored());
        self.whole = self.parcel.batch.mark();
        Ok(())
    }

    /// Something that somebody asked for happened to tables.
    pub(super) async fn notify_request(
        &mut self,
        happened: SnapshotEvent,
        tables: &[TableName],
    ) -> Result<(), IntakeFault> {
        let data = |_: &SnapshotProgress| vec![(DATA_COLLECTIONS, join(tables.iter()))];
        self.notify(Marks::Incremental, happened, data).await
    }

    /// `data` is asked for only where something is notified at all: it names every table.
    async fn notify(
        &mut self,
        marks: Marks,
        happened: SnapshotEvent,
        data: impl FnOnce(&SnapshotProgress) -> Vec<(&'static str, String)>,
    ) -> Result<(), IntakeFault> {
        let Some(notifications) = &mut self.notifications else {
            return Ok(());
        };
        let registrar = self.relations.registrar();
        registrar.bind_events(&mut notifications.topic).await?;
        let notification = Notification {
            id: &self.rows.progress.id,
            of: match marks {
                Marks::Initial => SnapshotKind::Initial,
                Marks::Incremental => SnapshotKind::Incremental,
            },
            happened,
            data: data(&self.rows.progress),
            unix_millis: super::unix_nanos() / 1_000_000,
        };
        notifications.notify(&notification, &mut self.parcel.batch);
        // No transaction is open where rows are read or asked for.
        self.whole = self.parcel.batch.mark();
        Ok(())
    }
}

fn listed(progress: &SnapshotProgress, marks: Marks) -> String {
    let alike = progress.tables.iter().filter(|table| table.marks == marks);
    let names: Vec<TableName> = alike.map(|table| table.table()).collect();
    join(names.iter())
}

fn join<'t>(tables: impl Iterator<Item = &'t TableName>) -> String {
    let names: Vec<String> = tables.map(ToString::to_string).collect();
    names.join(",")
}
