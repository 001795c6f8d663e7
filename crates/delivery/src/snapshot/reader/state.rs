//! State of reading, and where its changes are stored and published.

use walcast_mapper::TableName;

use crate::describe::Describe;
use crate::encode::output::Output;
use crate::encode::ports::EncodePorts;
use crate::error::DeliveryError;
use crate::metrics::Metrics;
use crate::ports::snapshots::Snapshot;
use crate::snapshot::progress::TableProgress;
use crate::snapshot::reader::notifications::{Notifier, Scan};
use crate::snapshot::reader::schedule::Schedule;
use crate::snapshot::status::SnapshotStatus;
use crate::state::ConnectorState;
use crate::state::outboxes::OutboxesState;
use crate::state::tables::TablesState;

/// Schedule of a session, with its observers.
pub(crate) struct SnapshotState<'a, S> {
    pub(super) schedule: Schedule<S>,
    pub(super) notifier: Notifier,
    /// Offset in the signal topic before which signals are executed; `None` if the topic was never read.
    pub(super) signals_read: Option<i64>,
    pub(super) status: &'a SnapshotStatus,
    pub(super) tables: &'a TablesState,
    outboxes: &'a OutboxesState,
    pub(super) metrics: &'a Metrics,
    pub(super) describe: Describe,
}

impl<'a, S: Snapshot> SnapshotState<'a, S> {
    pub(crate) fn new(
        schedule: Schedule<S>,
        notifier: Notifier,
        signals_read: Option<i64>,
        state: &'a ConnectorState,
        metrics: &'a Metrics,
        describe: Describe,
    ) -> Self {
        Self {
            schedule,
            notifier,
            signals_read,
            status: &state.snapshot,
            tables: &state.tables,
            outboxes: &state.outboxes,
            metrics,
            describe,
        }
    }

    /// Notes the membership of the tables of which no row is read, before a snapshot is taken.
    pub(super) fn note_memberships(&mut self) {
        let membership = |table| self.outboxes.membership_before_reading(table);
        self.schedule.progress.note_memberships(membership);
    }

    /// Stores the progress with the next checkpoint, and publishes it.
    pub(super) fn store_progress<E: EncodePorts>(&self, output: &mut Output<'_, E>) {
        output.batch.delta().snapshot = Some(self.schedule.stored());
        self.publish();
    }

    /// Publishes which tables remain, and whether reading is paused.
    pub(super) fn publish(&self) {
        let progress = &self.schedule.progress;
        self.status
            .show((!progress.tables.is_empty()).then_some(progress));
    }

    /// Ends a table: removes it from the remaining tables.
    pub(super) async fn end_table<E: EncodePorts>(
        &mut self,
        table: &TableName,
        scan: Scan,
        output: &mut Output<'_, E>,
    ) -> Result<(), DeliveryError> {
        let Some(one) = self.schedule.progress.find(table).cloned() else {
            return Ok(());
        };
        if scan.is_complete() {
            // The tombstones follow the rows, and are committed with them.
            let Output { tables, batch } = &mut *output;
            tables
                .resolve_dead_letters(&one.letters, batch.records().buffer)
                .await?;
        }
        if let Some(complete) = completeness(&one, scan)
            && let Some(oid) = one.oid
            && output.tables.is_outbox(table)
            && (complete.is_none() || !self.outboxes.is_interrupted(oid))
        {
            output.batch.delta().outboxes.insert(oid, complete);
        }
        self.end_quarantine(table, scan, output);
        let progress = &mut self.schedule.progress;
        self.notifier.table_ended(&one, scan, progress, output).await?;
        progress.reach(table, None);
        self.publish();
        let progress = &self.schedule.progress;
        if !progress.has_marked(one.marks) {
            self.notifier.completed(one.marks, progress, output).await?;
        }
        // The progress is stored at once: the last row of this table must not be sent without it, whatever happens to
        // the next table.
        output.batch.delta().snapshot = Some(self.schedule.stored());
        output.batch.cut();
        Ok(())
    }
}

/// What the end of reading shows about an outbox table: the membership since before the reading if every row is delivered, and `None` if
/// that is no longer certain. Nothing if it shows nothing new.
fn completeness(read: &TableProgress, scan: Scan) -> Option<Option<String>> {
    if scan.is_complete() {
        let selects_all = read.filter.is_none() && read.letters.is_empty() && read.partitions.is_empty();
        let membership = read.membership.clone().filter(|_| selects_all && !read.unread);
        membership.map(Some)
    } else {
        (!read.partitions.is_empty() || read.attached.is_some()).then_some(None)
    }
}
