//! Reading of tables from one snapshot, while the stream is held at its position.

use std::collections::HashSet;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;
use tracing::info;
use walcast_mapper::{ReadContext, RowId, SnapshotMarker, TableName};
use walcast_pgoutput::{CopyDecoder, Lsn, Tid};

use crate::clock::unix_nanos;
use crate::encode::encode_error::EncodeError;
use crate::encode::output::Output;
use crate::encode::ports::EncodePorts;
use crate::error::DeliveryError;
use crate::port_error::BoxedPortError;
use crate::ports::snapshots::{CopiedRows, Snapshot};
use crate::snapshot::control::{Request, SnapshotRequests};
use crate::snapshot::reader::last_row::Table;
use crate::snapshot::reader::notifications::Scan;
use crate::snapshot::reader::pace::Pace;
use crate::snapshot::reader::state::SnapshotState;
use crate::stream::interruption::Interruption;

/// Interval at which progress is logged.
const LOG_INTERVAL: Duration = Duration::from_secs(5);

/// Outcome of reading from a snapshot.
pub(super) enum Outcome {
    /// All readable tables are read.
    Done,
    /// The snapshot was held for its maximum time.
    TimeIsUp,
    /// A request paused reading.
    Paused,
    /// The server rejected a statement, and the snapshot can no longer be used.
    Broken,
    /// The connector stops.
    Stopped,
}

/// Outcome of opening a table.
pub(super) enum Begun {
    /// The table can be read.
    Table(Box<Table>),
    /// The table is not read from this snapshot, or not at all.
    Skipped,
    /// The server rejected a statement, and the snapshot can no longer be used.
    Broken,
}

/// Next step of reading a table.
enum Step {
    Rows(CopiedRows),
    End,
    TimeIsUp,
    Request(Request),
    Failed(BoxedPortError),
    Stopped,
}

/// Reading of tables from one snapshot.
pub(super) struct Window<'w, 'a, S> {
    pub(super) state: &'w mut SnapshotState<'a, S>,
    requests: &'w mut SnapshotRequests,
    /// Signal that the connector stops, which ends reading early.
    stopped: watch::Receiver<bool>,
    pace: Pace,
    logged: Instant,
    until: Instant,
    /// Tables that were opened, or could not be.
    pub(super) tried: HashSet<TableName>,
    /// Table that was read last, except for its last row: whether another row follows is not known yet.
    ended: Option<Table>,
    decoder: CopyDecoder,
    pub(super) now_unix_nanos: i64,
}

impl<'w, 'a, S: Snapshot> Window<'w, 'a, S> {
    pub(super) fn new(
        state: &'w mut SnapshotState<'a, S>,
        requests: &'w mut SnapshotRequests,
        stopped: watch::Receiver<bool>,
        until: Instant,
    ) -> Self {
        Self {
            pace: Pace::new(&state.schedule.config),
            state,
            requests,
            stopped,
            logged: Instant::now(),
            until,
            tried: HashSet::new(),
            ended: None,
            decoder: CopyDecoder::default(),
            now_unix_nanos: unix_nanos(),
        }
    }

    /// Reads the remaining tables, until all are read or the stream may not be held any longer.
    pub(super) async fn read<E: EncodePorts>(
        mut self,
        snapshot: &mut S,
        output: &mut Output<'_, E>,
    ) -> Result<Outcome, Interruption> {
        let mut outcome = Outcome::Done;
        while let Some(name) = self.next_table(snapshot.lsn()) {
            self.tried.insert(name.clone());
            if self
                .state
                .schedule
                .progress
                .find(&name)
                .is_some_and(|table| table.unread)
            {
                self.state.schedule.progress.reach(&name, None);
                continue;
            }
            let mut table = match self.open(snapshot, &name, output).await? {
                Begun::Table(table) => *table,
                Begun::Skipped => continue,
                Begun::Broken => {
                    self.settle_ended()?;
                    outcome = Outcome::Broken;
                    break;
                }
            };
            let mut ended = self.read_table(snapshot, &mut table, output).await?;
            if matches!(ended, Outcome::Done) && !self.find_missing_rows(snapshot, &mut table, output).await?
            {
                ended = Outcome::Broken;
            }
            match ended {
                Outcome::Done if table.has_last_row() => self.ended = Some(table),
                // The table was completely read without a deferred row, or is not to be read any more.
                Outcome::Done => self.end_read(snapshot, &mut table, Scan::Empty, output).await?,
                Outcome::TimeIsUp => {
                    self.write_ended(snapshot, output).await?;
                    if table.has_last_row() {
                        let mark = table.marker(&self.state.schedule.progress);
                        if let Some(row) = self.write_last_row(snapshot, &mut table, mark, output).await? {
                            let progress = &mut self.state.schedule.progress;
                            progress.reach(&table.name, Some(table.behind(row)));
                            progress.reach_event(&table.name, table.last_event());
                            self.note_rows(&table);
                        }
                    }
                    return Ok(Outcome::TimeIsUp);
                }
                Outcome::Paused | Outcome::Stopped | Outcome::Broken => {
                    outcome = ended;
                    break;
                }
            }
        }
        if matches!(outcome, Outcome::Done) {
            self.write_ended(snapshot, output).await?;
        }
        Ok(outcome)
    }

    fn next_table(&self, lsn: Lsn) -> Option<TableName> {
        let schedule = &self.state.schedule;
        let tables = schedule.progress.tables.iter();
        let readable = tables.filter(|table| table.is_shown_at(lsn) && !schedule.is_postponed(table));
        readable
            .map(|table| table.table())
            .find(|table| !self.tried.contains(table))
    }

    /// Reads a table to its end, except for its last row.
    async fn read_table<E: EncodePorts>(
        &mut self,
        snapshot: &mut S,
        table: &mut Table,
        output: &mut Output<'_, E>,
    ) -> Result<Outcome, Interruption> {
        loop {
            let rows = match self.step(snapshot, output).await? {
                Step::Rows(rows) => rows,
                Step::End => return Ok(Outcome::Done),
                Step::TimeIsUp => return Ok(Outcome::TimeIsUp),
                Step::Request(request) => {
                    self.settle_ended()?;
                    self.settle(table)?;
                    self.state.execute(request, output).await?;
                    match self.after_request(table) {
                        None => continue,
                        Some(outcome) => return Ok(outcome),
                    }
                }
                Step::Failed(fault) => {
                    if !self.state.is_fault_of_request(&table.name, &fault, output) {
                        return Err(DeliveryError::Source(fault).into());
                    }
                    self.settle_ended()?;
                    self.state
                        .fail_request(&table.name, snapshot.lsn(), &fault, output)
                        .await?;
                    return Ok(Outcome::Broken);
                }
                Step::Stopped => {
                    self.settle_ended()?;
                    self.settle(table)?;
                    return Ok(Outcome::Stopped);
                }
            };
            if !rows.lines.is_empty() {
                self.write_ended(snapshot, output).await?;
            }
            let count = self.write_rows(snapshot, table, &rows, output).await?;
            if self.state.schedule.progress.find(&table.name).is_none() {
                // The table was quarantined.
                return Ok(Outcome::Done);
            }
            self.pace.count(count, rows.lines.len());
            table.bytes_left = table.bytes_left.saturating_sub(rows.bytes);
            let (name, left) = (&table.name, table.bytes_left);
            self.state.status.advance(name, count, rows.bytes, left);
            self.log_progress(table);
        }
    }

    /// Outcome of reading after a request was executed; `None` if reading continues.
    fn after_request(&mut self, table: &mut Table) -> Option<Outcome> {
        self.release_renamed();
        let progress = &self.state.schedule.progress;
        if !table.is_named_in(progress) {
            table.drop_last_row();
            // Where another table has the name, nothing more may be stored under it.
            return Some(match progress.find(&table.name) {
                Some(_) => Outcome::Broken,
                None => Outcome::Done,
            });
        }
        progress.paused.then_some(Outcome::Paused)
    }

    /// Leaves the deferred row of the table that was read last to a later snapshot, if the table is no longer in the progress, or has
    /// another name there.
    pub(super) fn release_renamed(&mut self) {
        let progress = &self.state.schedule.progress;
        self.ended = self.ended.take().filter(|ended| ended.is_named_in(progress));
    }

    /// Waits for rows, or for a request.
    async fn step<E: EncodePorts>(
        &mut self,
        snapshot: &mut S,
        output: &Output<'_, E>,
    ) -> Result<Step, Interruption> {
        let next = async {
            tokio::time::sleep_until(self.pace.due()).await;
            // Every window reads some rows, so the time is checked only after the first ones.
            if Instant::now() >= self.until && !self.pace.is_fresh() {
                return Step::TimeIsUp;
            }
            match snapshot.next().await {
                Ok(Some(rows)) => Step::Rows(rows),
                Ok(None) => Step::End,
                Err(fault) => Step::Failed(fault),
            }
        };
        // Each branch is cancel-safe: `next` waits before it takes anything.
        tokio::select! {
            biased;
            _ = self.stopped.wait_for(|stop| *stop) => Ok(Step::Stopped),
            () = output.batch.closed() => Err(Interruption::CommitterGone),
            request = self.requests.next() => Ok(Step::Request(request)),
            step = next => Ok(step),
        }
    }

    /// Writes the deferred row, and all of these rows except the last, which is deferred.
    async fn write_rows<E: EncodePorts>(
        &mut self,
        snapshot: &S,
        table: &mut Table,
        rows: &CopiedRows,
        output: &mut Output<'_, E>,
    ) -> Result<u64, Interruption> {
        let mut count = 0;
        self.now_unix_nanos = unix_nanos();
        for line in rows.lines.split_inclusive(|byte| *byte == b'\n') {
            if table.has_last_row() {
                let mark = table.marker(&self.state.schedule.progress);
                if self
                    .write_last_row(snapshot, table, mark, output)
                    .await?
                    .is_none()
                {
                    return Ok(count);
                }
            }
            table.defer(rows.table, rows.file, line);
            count += 1;
            if output.batch.is_full() {
                self.flush_rows(table, output).await?;
            }
        }
        // Records are sent without waiting for further rows.
        if !output.batch.is_without_records() && table.has_last_row() {
            self.flush_rows(table, output).await?;
        }
        Ok(count)
    }

    /// Sends the written records, up to the deferred row.
    async fn flush_rows<E: EncodePorts>(
        &mut self,
        table: &Table,
        output: &mut Output<'_, E>,
    ) -> Result<(), Interruption> {
        self.settle(table)?;
        // The set of remaining tables has not changed: the progress is not published for each batch.
        output.batch.delta().snapshot = Some(self.state.schedule.stored());
        output.batch.cut();
        Ok(output.batch.flush().await?)
    }

    /// Stores the deferred row of a table as the row at which a later window resumes.
    fn settle(&mut self, table: &Table) -> Result<(), DeliveryError> {
        if table.has_last_row() {
            let row = table.last_row(&mut self.decoder)?;
            let progress = &mut self.state.schedule.progress;
            progress.reach(&table.name, Some(row));
            progress.reach_event(&table.name, table.last_event());
            self.note_rows(table);
        }
        Ok(())
    }

    /// Stores the deferred row of the table that was read last.
    pub(super) fn settle_ended(&mut self) -> Result<(), DeliveryError> {
        match self.ended.take() {
            Some(table) => {
                let settled = self.settle(&table);
                self.ended = Some(table);
                settled
            }
            None => Ok(()),
        }
    }

    /// Updates the number of written rows of a table.
    fn note_rows(&mut self, table: &Table) {
        if let Some(progress) = self.state.schedule.progress.find_mut(&table.name) {
            progress.rows = table.rows;
        }
    }

    fn log_progress(&mut self, table: &Table) {
        if self.logged.elapsed() < LOG_INTERVAL {
            return;
        }
        self.logged = Instant::now();
        let view = self.state.status.read();
        let rate = view.window.map_or(0.0, |window| window.rows_per_second());
        info!(
            table = %table.name,
            rows = view.rows,
            rows_per_second = rate.round(),
            bytes_remaining = view.bytes_left(),
            tables_remaining = view.tables.len(),
            seconds_remaining = view.time_left().map(|left| left.as_secs()),
            "reading rows"
        );
    }

    /// Writes the last row of the table that was read last.
    async fn write_ended<E: EncodePorts>(
        &mut self,
        snapshot: &S,
        output: &mut Output<'_, E>,
    ) -> Result<(), DeliveryError> {
        let Some(mut table) = self.ended.take() else {
            return Ok(());
        };
        let progress = &self.state.schedule.progress;
        let mark = table.last_marker(progress, progress.is_last(&table.name));
        if self
            .write_last_row(snapshot, &mut table, mark, output)
            .await?
            .is_none()
        {
            return Ok(());
        }
        self.note_rows(&table);
        output.tables.add_streams(&mut table.plan);
        self.end_read(snapshot, &mut table, Scan::Succeeded, output).await
    }

    /// Writes the deferred row; `None` if the table is quarantined because of it.
    async fn write_last_row<E: EncodePorts>(
        &mut self,
        snapshot: &S,
        table: &mut Table,
        mark: SnapshotMarker,
        output: &mut Output<'_, E>,
    ) -> Result<Option<RowId>, DeliveryError> {
        let (id, values, plan) = table.decode_last_row_with_plan(&mut self.decoder)?;
        let context = ReadContext {
            lsn: snapshot.lsn(),
            fixed_at: snapshot.taken_at(),
            marker: mark,
            row: id,
            processed_at_unix_nanos: self.now_unix_nanos,
        };
        let number = plan.event_number(values);
        let Output { tables, batch } = output;
        let encoded = tables
            .encode_row(plan, values, &context, batch.records().buffer)
            .await;
        if let Err(EncodeError::Quarantined) = encoded {
            table.drop_last_row();
            self.state.set_aside(output).await?;
            return Ok(None);
        }
        let is_record = encoded.map_err(|fault| explain(&table.name, Some(id.tid), snapshot.lsn(), fault))?;
        table.wrote_event(id.table, number);
        table.written();
        let progress = &mut self.state.schedule.progress;
        progress.rows += 1;
        progress.has_first |= is_record && mark != SnapshotMarker::Incremental;
        self.state.metrics.snapshot_rows.inc();
        Ok(Some(id))
    }
}

/// Adds the table and the row to an error.
pub(super) fn explain(table: &TableName, row: Option<Tid>, lsn: Lsn, fault: EncodeError) -> DeliveryError {
    match fault {
        EncodeError::Edge(error) => error,
        EncodeError::UnknownRelation
        | EncodeError::Refused(_)
        | EncodeError::RejectedTopic(_)
        | EncodeError::RefusedTopic(_)
        | EncodeError::Quarantined => DeliveryError::OutOfOrder {
            after: lsn,
            what: "a change of a relation that was never described",
        },
        EncodeError::Map(source) => DeliveryError::MapRow {
            table: table.clone(),
            row,
            lsn,
            source: Box::new(source),
        },
    }
}
