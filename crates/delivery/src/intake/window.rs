//! Reads the tables from one snapshot, while the stream is held at its position.

use std::collections::HashSet;
use std::time::Duration;

use tokio::time::Instant;
use tracing::{error, info, warn};
use walcast_mapper::{ReadContext, RowId, SnapshotMark, TableName};
use walcast_pgoutput::Lsn;

use super::held::Table;
use super::notifications::Scan;
use super::pace::Pace;
use super::{Intake, IntakeFault, unix_nanos};
use crate::DeliveryError;
use crate::edge::{
    BoxedFault, ChosenRows, CopiedRows, Opened, RowsCatalog, SchemaRegistry, Snapshot, Snapshots, Topics,
};
use crate::parcel::PARCEL_BYTES;
use crate::snapshot::Request;

/// How often it is said how far reading has come.
const TELL_INTERVAL: Duration = Duration::from_secs(5);

/// How reading from a snapshot ended.
pub(super) enum Outcome {
    /// All tables are read that could be.
    Done,
    /// The snapshot was held long enough.
    TimeIsUp,
    /// Somebody asked to wait.
    Paused,
    /// The server refused something, and the snapshot is of no use any more.
    Broken,
    /// The connector is asked to stop.
    Stopped,
}

/// How reading a table begins.
enum Begun {
    /// It can be read.
    Table(Box<Table>),
    /// Not from this snapshot, or not at all.
    PassedOver,
    /// The server refuses, and the snapshot is of no use any more.
    GivenUp,
}

/// What a table's next step is.
enum Step {
    Rows(CopiedRows),
    End,
    TimeIsUp,
    Asked(Request),
    Failed(BoxedFault),
    Stopped,
}

/// What is between the snapshot and the batch.
pub(super) struct Window {
    pace: Pace,
    told: Instant,
    until: Instant,
    /// Tables that were begun, or could not be.
    tried: HashSet<TableName>,
    /// The table that was read last, but for its last row: whether another one follows is not known yet.
    pub(super) ended: Option<Table>,
}

impl<C: RowsCatalog, T: Topics, R: SchemaRegistry, N: Snapshots> Intake<'_, C, T, R, N> {
    pub(super) async fn read_window(
        &mut self,
        snapshot: &mut N::Snapshot,
        until: Instant,
    ) -> Result<Outcome, IntakeFault> {
        let mut window = Window {
            pace: Pace::new(&self.rows.config),
            told: Instant::now(),
            until,
            tried: HashSet::new(),
            ended: None,
        };
        let mut outcome = Outcome::Done;
        while let Some(name) = self.next_table(snapshot, &window) {
            window.tried.insert(name.clone());
            if self.rows.progress.find(&name).is_some_and(|table| table.unread) {
                self.rows.progress.reach(&name, None);
                continue;
            }
            let mut table = match self.open(snapshot, &name).await? {
                Begun::Table(table) => *table,
                Begun::PassedOver => continue,
                Begun::GivenUp => {
                    self.settle(window.ended.iter())?;
                    outcome = Outcome::Broken;
                    break;
                }
            };
            let mut ended = self.read_table(snapshot, &mut window, &mut table).await?;
            if matches!(ended, Outcome::Done) && !self.look_for_gone(snapshot, &window, &mut table).await? {
                ended = Outcome::Broken;
            }
            match ended {
                Outcome::Done if table.holds_row() => window.ended = Some(table),
                // It was read to its end without a row to hold, or it is not to be read any more.
                Outcome::Done => self.end_read(snapshot, &mut table, Scan::Empty).await?,
                Outcome::TimeIsUp => {
                    self.write_last(snapshot, window.ended.take()).await?;
                    if table.holds_row() {
                        let mark = table.mark(&self.rows.progress);
                        let row = self.write_held(snapshot, &mut table, mark).await?;
                        self.rows.progress.reach(&table.name, Some(table.behind(row)));
                        self.note_rows(&table);
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
            self.write_last(snapshot, window.ended.take()).await?;
        }
        Ok(outcome)
    }

    fn next_table(&self, snapshot: &N::Snapshot, window: &Window) -> Option<TableName> {
        let tables = self.rows.progress.tables.iter();
        let readable = tables.filter(|table| table.publishing.allows(snapshot.lsn()));
        readable
            .map(|table| table.table())
            .find(|table| !window.tried.contains(table))
    }

    /// Reads a table to its end, but for its last row.
    async fn read_table(
        &mut self,
        snapshot: &mut N::Snapshot,
        window: &mut Window,
        table: &mut Table,
    ) -> Result<Outcome, IntakeFault> {
        loop {
            let rows = match self.step(snapshot, window).await? {
                Step::Rows(rows) => rows,
                Step::End => return Ok(Outcome::Done),
                Step::TimeIsUp => return Ok(Outcome::TimeIsUp),
                Step::Asked(request) => {
                    self.settle(window.ended.iter().chain([&*table]))?;
                    self.carry_out(request).await?;
                    match self.after_request(window, table) {
                        None => continue,
                        Some(outcome) => return Ok(outcome),
                    }
                }
                Step::Failed(fault) if table.asked && fault.is_about_rows() => {
                    self.settle(window.ended.iter())?;
                    self.give_up(&table.name, snapshot.lsn(), &fault).await?;
                    return Ok(Outcome::Broken);
                }
                Step::Failed(fault) => return Err(DeliveryError::Source(fault).into()),
                Step::Stopped => {
                    self.settle(window.ended.iter().chain([&*table]))?;
                    return Ok(Outcome::Stopped);
                }
            };
            if !rows.lines.is_empty() {
                self.write_last(snapshot, window.ended.take()).await?;
            }
            let count = self.write_rows(snapshot, table, &rows).await?;
            window.pace.count(count, rows.lines.len());
            table.bytes_left = table.bytes_left.saturating_sub(rows.bytes);
            let (name, left) = (&table.name, table.bytes_left);
            self.metrics.snapshot_bytes.set(left);
            self.metrics.snapshot.advance(name, count, rows.bytes, left);
            self.tell(window, table);
        }
    }

    /// What is left of the window when somebody wanted something else; `None`: it goes on.
    fn after_request(&self, window: &mut Window, table: &mut Table) -> Option<Outcome> {
        let progress = &self.rows.progress;
        window.ended = window
            .ended
            .take()
            .filter(|ended| progress.find(&ended.name).is_some());
        if progress.find(&table.name).is_none() {
            table.drop_held();
            return Some(Outcome::Done);
        }
        progress.paused.then_some(Outcome::Paused)
    }

    /// Waits for rows, or for somebody who wants something else.
    async fn step(&mut self, snapshot: &mut N::Snapshot, window: &Window) -> Result<Step, IntakeFault> {
        let mut stopped = self.rows.stopped.clone();
        let next = async {
            tokio::time::sleep_until(window.pace.due()).await;
            // Something is read in every window.
            if Instant::now() >= window.until && !window.pace.is_fresh() {
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
            _ = stopped.wait_for(|stop| *stop) => Ok(Step::Stopped),
            () = self.parcels.closed() => Err(IntakeFault::ShipperGone),
            request = self.requests.next() => Ok(Step::Asked(request)),
            step = next => Ok(step),
        }
    }

    /// The server will not have the rows of a table read that somebody asked for. The snapshot is of no use any more.
    pub(super) async fn give_up(
        &mut self,
        table: &TableName,
        lsn: Lsn,
        fault: &BoxedFault,
    ) -> Result<(), IntakeFault> {
        error!(%table, %lsn, error = %fault, "rows cannot be read and are given up; ask for them again when that is mended");
        self.metrics.snapshot_failures.inc();
        self.end_table(table, Scan::Failed).await
    }

    /// Begins with a table.
    async fn open(&mut self, snapshot: &mut N::Snapshot, name: &TableName) -> Result<Begun, IntakeFault> {
        let Some(progress) = self.rows.progress.find(name).cloned() else {
            return Ok(Begun::PassedOver);
        };
        let rows = match progress.filter.as_deref() {
            None => ChosenRows::Configured,
            Some(condition) if progress.letters.is_empty() => ChosenRows::Where(condition),
            Some(condition) => ChosenRows::Few(condition),
        };
        let opened = snapshot.open(name, progress.next, rows).await;
        let lsn = snapshot.lsn();
        let opened = match opened {
            Err(fault) if progress.asked && fault.is_about_rows() => {
                self.give_up(name, lsn, &fault).await?;
                return Ok(Begun::GivenUp);
            }
            opened => opened.map_err(DeliveryError::Source)?,
        };
        match opened {
            Opened::Missing => {
                warn!(table = %name, %lsn, "table does not exist any more, none of its rows are read");
                self.end_table(name, Scan::Missing).await?;
                Ok(Begun::PassedOver)
            }
            Opened::Altered => {
                info!(table = %name, %lsn, "table was altered since the snapshot, it is read from a later one");
                Ok(Begun::PassedOver)
            }
            Opened::Table(table) => {
                let plan = self.relations.plan_of_rows(table.relation, &table.facts).await;
                let plan = plan.map_err(|fault| self.explain_rows(name, None, lsn, fault))?;
                info!(table = %name, topic = plan.topic(), bytes = table.bytes, "reading rows");
                self.notify_table(name).await?;
                Ok(Begun::Table(Box::new(Table::new(&progress, plan, table.bytes))))
            }
        }
    }

    /// Writes the row that was held, and all of these but the last, which is held.
    async fn write_rows(
        &mut self,
        snapshot: &N::Snapshot,
        table: &mut Table,
        rows: &CopiedRows,
    ) -> Result<u64, IntakeFault> {
        let mut count = 0;
        self.now_unix_nanos = unix_nanos();
        for line in rows.lines.split_inclusive(|byte| *byte == b'\n') {
            if table.holds_row() {
                let mark = table.mark(&self.rows.progress);
                self.write_held(snapshot, table, mark).await?;
            }
            table.hold(rows.table, rows.file, line);
            count += 1;
            if self.parcel.batch.len_bytes() >= PARCEL_BYTES {
                self.hand_on_rows(table).await?;
            }
        }
        // Whatever comes later is not waited for.
        if !self.parcel.batch.is_empty() && table.holds_row() {
            self.hand_on_rows(table).await?;
        }
        Ok(count)
    }

    /// Sends on what was written, up to the row that is held.
    async fn hand_on_rows(&mut self, table: &Table) -> Result<(), IntakeFault> {
        self.settle([table])?;
        // Which tables are left is as it was: nothing of that is shown again for each parcel.
        self.parcel.notes.snapshot = Some(self.rows.stored());
        self.whole = self.parcel.batch.mark();
        self.hand_on().await
    }

    /// Reading goes on at the rows that are held.
    pub(super) fn settle<'t>(
        &mut self,
        tables: impl IntoIterator<Item = &'t Table>,
    ) -> Result<(), IntakeFault> {
        for table in tables.into_iter().filter(|table| table.holds_row()) {
            let row = table.held_row(&mut self.rows.decoder)?;
            self.rows.progress.reach(&table.name, Some(row));
            self.note_rows(table);
        }
        Ok(())
    }

    /// How many rows of a table are written.
    fn note_rows(&mut self, table: &Table) {
        if let Some(progress) = self.rows.progress.find_mut(&table.name) {
            progress.rows = table.rows;
        }
    }

    fn tell(&self, window: &mut Window, table: &Table) {
        if window.told.elapsed() < TELL_INTERVAL {
            return;
        }
        window.told = Instant::now();
        let board = self.metrics.snapshot.read();
        let rate = board.window.map_or(0.0, |window| window.rows_per_second());
        info!(
            table = %table.name,
            rows = board.rows,
            rows_per_second = rate.round(),
            bytes_left = board.bytes_left(),
            tables_left = board.tables.len(),
            seconds_left = board.time_left().map(|left| left.as_secs()),
            "reading rows"
        );
    }

    /// Writes the last row of a table that was read to its end.
    async fn write_last(&mut self, snapshot: &N::Snapshot, table: Option<Table>) -> Result<(), IntakeFault> {
        let Some(mut table) = table else { return Ok(()) };
        let progress = &self.rows.progress;
        let mark = table.last_mark(progress, progress.is_last(&table.name));
        self.write_held(snapshot, &mut table, mark).await?;
        self.note_rows(&table);
        self.end_read(snapshot, &mut table, Scan::Succeeded).await
    }

    async fn write_held(
        &mut self,
        snapshot: &N::Snapshot,
        table: &mut Table,
        mark: SnapshotMark,
    ) -> Result<RowId, IntakeFault> {
        let (id, values, plan) = table.decode_held_with_plan(&mut self.rows.decoder)?;
        let context = ReadContext {
            lsn: snapshot.lsn(),
            fixed_at: snapshot.taken_at(),
            mark,
            row: id,
            processed_at_unix_nanos: self.now_unix_nanos,
        };
        let batch = &mut self.parcel.batch;
        let encoded = self.relations.encode_row(plan, values, &context, batch).await;
        let is_record =
            encoded.map_err(|fault| self.explain_rows(&table.name, Some(id.tid), snapshot.lsn(), fault))?;
        table.written();
        let progress = &mut self.rows.progress;
        progress.rows += 1;
        progress.has_first |= is_record && mark != SnapshotMark::Incremental;
        self.metrics.snapshot_rows.inc();
        Ok(id)
    }
}
