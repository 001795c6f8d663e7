//! Notifications about the progress of a snapshot, in the same Kafka transaction as its rows.

use walcast_mapper::events::{Notification, NotificationEvents, SnapshotEvent, SnapshotKind};
use walcast_mapper::{MapperConfig, TableName};

use crate::clock::unix_nanos;
use crate::encode::output::Output;
use crate::encode::ports::EncodePorts;
use crate::error::DeliveryError;
use crate::snapshot::progress::{SnapshotProgress, SnapshotType, TableProgress};

/// Additional data of a notification, named as Debezium names it.
const DATA_COLLECTIONS: &str = "data_collections";
const CURRENT: &str = "current_collection_in_progress";
const SCANNED: &str = "scanned_collection";
const TOTAL_ROWS: &str = "total_rows_scanned";
const STATUS: &str = "status";

/// Outcome of reading a table.
#[derive(Clone, Copy, Debug)]
pub(super) enum Scan {
    Succeeded,
    Empty,
    Failed,
    Missing,
}

impl Scan {
    /// Whether the requested rows are in Kafka, or there are none.
    pub(super) fn is_complete(self) -> bool {
        match self {
            Self::Succeeded | Self::Empty => true,
            Self::Failed | Self::Missing => false,
        }
    }

    fn as_str(self, marks: SnapshotType) -> &'static str {
        match (self, marks) {
            // An initial snapshot does not distinguish empty tables.
            (Self::Succeeded, _) | (Self::Empty, SnapshotType::Initial) => "SUCCEEDED",
            (Self::Empty, SnapshotType::Incremental) => "EMPTY",
            (Self::Failed, _) => "SQL_EXCEPTION",
            (Self::Missing, _) => "UNKNOWN_SCHEMA",
        }
    }
}

/// Writer of notifications, if notifications are configured.
pub(crate) struct Notifier(Option<NotificationEvents>);

impl Notifier {
    pub(crate) fn new(config: &MapperConfig) -> Self {
        Self(NotificationEvents::new(config))
    }

    /// Appends the start of a snapshot, once for the tables of each kind.
    pub(super) async fn started<E: EncodePorts>(
        &mut self,
        progress: &mut SnapshotProgress,
        output: &mut Output<'_, E>,
    ) -> Result<(), DeliveryError> {
        for marks in [SnapshotType::Initial, SnapshotType::Incremental] {
            let is_left = progress.has_marked(marks);
            let is_notified = match marks {
                SnapshotType::Initial => &mut progress.notified_initial,
                SnapshotType::Incremental => &mut progress.notified_incremental,
            };
            if !is_left || std::mem::replace(is_notified, true) {
                continue;
            }
            let data = |progress: &SnapshotProgress| match marks {
                SnapshotType::Initial => Vec::new(),
                SnapshotType::Incremental => vec![(DATA_COLLECTIONS, listed(progress, marks))],
            };
            self.notify(marks, SnapshotEvent::Started, progress, data, output)
                .await?;
        }
        Ok(())
    }

    /// Appends the start of reading a table.
    pub(super) async fn table_started<E: EncodePorts>(
        &mut self,
        table: &TableName,
        progress: &SnapshotProgress,
        output: &mut Output<'_, E>,
    ) -> Result<(), DeliveryError> {
        let Some(marks) = progress.find(table).map(|one| one.marks) else {
            return Ok(());
        };
        let data = |progress: &SnapshotProgress| {
            vec![
                (DATA_COLLECTIONS, listed(progress, marks)),
                (CURRENT, table.to_string()),
            ]
        };
        self.notify(marks, SnapshotEvent::InProgress, progress, data, output)
            .await
    }

    /// Appends the end of reading a table; `table` is still part of `progress`.
    pub(super) async fn table_ended<E: EncodePorts>(
        &mut self,
        table: &TableProgress,
        scan: Scan,
        progress: &SnapshotProgress,
        output: &mut Output<'_, E>,
    ) -> Result<(), DeliveryError> {
        let marks = table.marks;
        let data = |progress: &SnapshotProgress| {
            vec![
                (DATA_COLLECTIONS, listed(progress, marks)),
                (SCANNED, table.table().to_string()),
                (TOTAL_ROWS, table.rows.to_string()),
                (STATUS, scan.as_str(marks).to_owned()),
            ]
        };
        self.notify(marks, SnapshotEvent::TableScanCompleted, progress, data, output)
            .await
    }

    /// Appends the end of the snapshot of the tables of one kind.
    pub(super) async fn completed<E: EncodePorts>(
        &mut self,
        marks: SnapshotType,
        progress: &SnapshotProgress,
        output: &mut Output<'_, E>,
    ) -> Result<(), DeliveryError> {
        self.notify(marks, SnapshotEvent::Completed, progress, |_| Vec::new(), output)
            .await
    }

    /// Appends the execution of a request that concerns these tables.
    pub(super) async fn requested<E: EncodePorts>(
        &mut self,
        happened: SnapshotEvent,
        tables: &[TableName],
        progress: &SnapshotProgress,
        output: &mut Output<'_, E>,
    ) -> Result<(), DeliveryError> {
        let data = |_: &SnapshotProgress| vec![(DATA_COLLECTIONS, join(tables.iter()))];
        self.notify(SnapshotType::Incremental, happened, progress, data, output)
            .await
    }

    /// Appends a notification. `data` is computed only if notifications are configured: it names every table.
    async fn notify<E: EncodePorts>(
        &mut self,
        marks: SnapshotType,
        happened: SnapshotEvent,
        progress: &SnapshotProgress,
        data: impl FnOnce(&SnapshotProgress) -> Vec<(&'static str, String)>,
        output: &mut Output<'_, E>,
    ) -> Result<(), DeliveryError> {
        let Some(notifications) = &mut self.0 else {
            return Ok(());
        };
        let registrar = output.tables.registrar();
        registrar.bind_events(&mut notifications.topic).await?;
        let notification = Notification {
            id: &progress.id,
            of: match marks {
                SnapshotType::Initial => SnapshotKind::Initial,
                SnapshotType::Incremental => SnapshotKind::Incremental,
            },
            happened,
            data: data(progress),
            unix_millis: unix_nanos() / 1_000_000,
        };
        notifications.notify(&notification, output.batch.records().buffer);
        output.batch.cut();
        Ok(())
    }
}

fn listed(progress: &SnapshotProgress, marks: SnapshotType) -> String {
    let alike = progress.tables.iter().filter(|table| table.marks == marks);
    let names: Vec<TableName> = alike.map(|table| table.table()).collect();
    join(names.iter())
}

fn join<'t>(tables: impl Iterator<Item = &'t TableName>) -> String {
    let names: Vec<String> = tables.map(ToString::to_string).collect();
    names.join(",")
}
