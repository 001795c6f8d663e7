//! Quarantined tables and their rows: no row of a quarantined table is read until the table is resumed, and its quarantine ends when
//! all its rows are.

use tracing::info;
use walcast_mapper::TableName;
use walcast_mapper::pattern::TablePattern;
use walcast_pgoutput::{Lsn, Oid};

use crate::encode::dead_letters::config::OnError;
use crate::encode::output::Output;
use crate::encode::ports::EncodePorts;
use crate::error::DeliveryError;
use crate::ports::catalog::RowsCatalog;
use crate::ports::snapshots::Snapshot;
use crate::quarantine::start::READING_STOPPED;
use crate::quarantine::{FirstMissing, QuarantineCause, QuarantineReason};
use crate::snapshot::command::{SnapshotRejected, resumed_tables};
use crate::snapshot::progress::{SnapshotType, TableProgress};
use crate::snapshot::reader::notifications::Scan;
use crate::snapshot::reader::state::SnapshotState;
use crate::source_state::CapturedNames;

impl<S: Snapshot> SnapshotState<'_, S> {
    /// Stores quarantines that began, with the checkpoint that passes the first skipped change, and leaves out the rows of their
    /// tables.
    pub(super) async fn set_aside<E: EncodePorts>(
        &mut self,
        output: &mut Output<'_, E>,
    ) -> Result<(), DeliveryError> {
        let changes = output.tables.quarantines.take_changes();
        for quarantine in changes.values().flatten().filter(|one| one.is_skipping()) {
            self.leave_unread(&quarantine.table, output).await?;
        }
        output.batch.delta().quarantines.extend(changes);
        self.tables.set_quarantines(output.tables.quarantines.tables());
        Ok(())
    }

    /// Leaves out the rows of a quarantined table: they are read when the table is resumed.
    pub(super) async fn leave_unread<E: EncodePorts>(
        &mut self,
        table: &TableName,
        output: &mut Output<'_, E>,
    ) -> Result<(), DeliveryError> {
        if let Some(progress) = self.schedule.progress.find_mut(table) {
            progress.attached = None;
            self.end_table(table, Scan::Failed, output).await?;
        }
        Ok(())
    }

    /// Gives the tables that remain to be read the names that they have now, before tables are added by their names. A table whose
    /// rows cannot be read any more after it was resumed is quarantined again.
    pub(super) fn follow_names<E: EncodePorts>(
        &mut self,
        captured: &CapturedNames,
        output: &mut Output<'_, E>,
    ) {
        for table in self.schedule.progress.follow_names(captured) {
            if let Some(oid) = output.tables.quarantines.reading_named(&table) {
                output.tables.quarantine_again(oid, MISSING.to_owned());
            }
        }
        let quarantines = &mut output.tables.quarantines;
        if quarantines.follow_names(&self.schedule.progress) || quarantines.has_changes() {
            output.store_quarantines();
            self.tables.set_quarantines(output.tables.quarantines.tables());
        }
    }

    /// Tables that a request resumes, as they are to be read. Their changes are delivered from now on.
    pub(super) async fn resume_tables<E: EncodePorts>(
        &mut self,
        patterns: &[TablePattern],
        output: &mut Output<'_, E>,
    ) -> Result<Result<Vec<TableName>, SnapshotRejected>, DeliveryError> {
        let source_state = output.tables.catalog().inspect().await;
        let source_state = source_state.map_err(DeliveryError::Source)?;
        self.follow_names(&source_state.captured_names(), output);
        let quarantines = output.tables.quarantines.tables();
        let publication = &self.schedule.publication;
        let chosen = match resumed_tables(patterns, quarantines, &source_state, publication) {
            Ok(chosen) => chosen,
            Err(rejected) => return Ok(Err(rejected)),
        };
        let progress = |(oid, table): &(Oid, TableName)| TableProgress {
            oid: Some(oid.as_u32()),
            marks: SnapshotType::Incremental,
            asked: true,
            ..TableProgress::of(table.clone())
        };
        let started = self
            .start(chosen.iter().map(progress).collect(), None, output)
            .await?;
        if started.is_ok() {
            for (oid, table) in &chosen {
                output.tables.resume(*oid, table);
                info!(relation = %table, "table is resumed: its changes are delivered, and its rows are read");
            }
            self.set_aside(output).await?;
        }
        Ok(started)
    }

    /// Quarantines tables again whose reading a request has stopped.
    pub(super) async fn quarantine_stopped<E: EncodePorts>(
        &mut self,
        output: &mut Output<'_, E>,
    ) -> Result<(), DeliveryError> {
        let quarantines = output.tables.quarantines.tables().iter();
        let reading = quarantines.filter(|(_, one)| !one.is_skipping());
        let stopped: Vec<Oid> = reading
            .filter(|(_, one)| self.schedule.progress.find(&one.table).is_none())
            .map(|(oid, _)| *oid)
            .collect();
        for oid in stopped {
            output.tables.quarantine_again(oid, READING_STOPPED.to_owned());
        }
        self.set_aside(output).await
    }

    /// Whether an undeliverable row of a table quarantines it, and its rows were not requested.
    pub(super) fn quarantines<E: EncodePorts>(&self, table: &TableName, output: &Output<'_, E>) -> bool {
        let progress = self.schedule.progress.find(table);
        progress.is_some_and(|one| !one.asked) && output.tables.action(table) == OnError::Quarantine
    }

    /// Quarantines a table whose rows the server does not let the connector read, unless they were requested of a table that was
    /// complete.
    pub(super) async fn quarantine_unreadable<E: EncodePorts>(
        &mut self,
        table: &TableName,
        lsn: Lsn,
        error: String,
        output: &mut Output<'_, E>,
    ) -> Result<(), DeliveryError> {
        if let Some(oid) = output.tables.quarantines.reading_named(table) {
            output.tables.quarantine_again(oid, error);
        } else if self.quarantines(table, output) {
            let source_state = output.tables.catalog().inspect().await;
            let source_state = source_state.map_err(DeliveryError::Source)?;
            if let Some(captured) = source_state.captured.iter().find(|one| one.name == *table) {
                let cause = QuarantineCause::new(QuarantineReason::Rows, error);
                let missing = FirstMissing::of_snapshot(lsn);
                output
                    .tables
                    .quarantine(captured.oid, table.clone(), missing, cause);
            }
        }
        Ok(())
    }

    /// Ends the quarantine of a table that is completely read. A table that is missing may have been renamed, and is quarantined
    /// again.
    pub(super) fn end_quarantine<E: EncodePorts>(
        &mut self,
        table: &TableName,
        scan: Scan,
        output: &mut Output<'_, E>,
    ) {
        let Some(oid) = output.tables.quarantines.reading_named(table) else {
            return;
        };
        match scan {
            Scan::Failed => return,
            Scan::Missing => output.tables.quarantine_again(oid, MISSING.to_owned()),
            Scan::Succeeded | Scan::Empty => {
                let ended = output.tables.quarantines.end(oid);
                let since = ended.map(|one| one.since.to_string());
                info!(
                    relation = %table,
                    since,
                    "quarantine of the table has ended: its rows are read; rows that were deleted in the meantime stay in its topic"
                );
            }
        }
        output.store_quarantines();
        self.tables.set_quarantines(output.tables.quarantines.tables());
    }
}

/// Error of a table that is quarantined again because it does not exist under the name with which it was resumed.
const MISSING: &str = "the table does not exist under the name with which it was resumed";
