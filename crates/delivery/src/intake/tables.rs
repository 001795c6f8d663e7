//! Existing rows, read between two stretches of the stream.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;
use tracing::{info, warn};
use walcast_mapper::{Plan, ReadContext, RowId, SnapshotMark, TableName};
use walcast_pgoutput::{CopyDecoder, Lsn, Oid, Tuple};

use super::{Intake, IntakeFault, unix_nanos};
use crate::DeliveryError;
use crate::edge::{Catalog, CopiedRows, Opened, SchemaRegistry, Snapshot, Snapshots, Topics};
use crate::parcel::PARCEL_BYTES;
use crate::snapshot::{SnapshotConfig, SnapshotMode, SnapshotProgress};

/// How long the stream is held for a snapshot to be taken. When transactions that run delay it, the stream goes on.
const HOLD: Duration = Duration::from_secs(1);

/// How often it is said how far reading has come.
const TELL_INTERVAL: Duration = Duration::from_secs(5);

/// What a session reads beside the stream.
pub(crate) struct Rows<S> {
    /// What is left to be read; `None`: nothing.
    progress: Option<SnapshotProgress>,
    /// A snapshot that the stream has not reached yet.
    snapshot: Option<S>,
    /// Whether that is the slot's own.
    is_first: bool,
    config: SnapshotConfig,
    /// Ends reading before its end.
    stopped: watch::Receiver<bool>,
    decoder: CopyDecoder,
    /// The last commit position that the stream has begun to tell.
    begun: Lsn,
    /// The last end of log that it told between transactions.
    idle: Lsn,
}

/// A table that is being read, or was read but for its last row.
struct Table {
    name: TableName,
    plan: Plan,
    /// Whether it is the first of all.
    is_first: bool,
    /// Rows written.
    rows: u64,
    /// The row that is written when it is known whether another one follows.
    held: Held,
    bytes_left: u64,
}

#[derive(Default)]
struct Held {
    table: Oid,
    /// Empty when no row is held.
    line: Vec<u8>,
}

/// How reading from a snapshot ended.
enum Outcome {
    /// All tables are read that could be.
    Done,
    /// The snapshot was held long enough.
    TimeIsUp,
    Stopped,
}

impl<S: Snapshot> Rows<S> {
    pub(crate) fn new(
        progress: Option<SnapshotProgress>,
        first: Option<S>,
        config: &SnapshotConfig,
        stopped: watch::Receiver<bool>,
    ) -> Self {
        Self {
            progress,
            is_first: first.is_some(),
            snapshot: first,
            config: config.clone(),
            stopped,
            decoder: CopyDecoder::default(),
            begun: Lsn::INVALID,
            idle: Lsn::INVALID,
        }
    }

    /// Whether there is something to read and nothing to read it from.
    pub(super) fn want_snapshot(&self) -> bool {
        self.snapshot.is_none() && self.progress.is_some()
    }

    /// Whether everything that was wanted is read: nothing is streamed after it.
    pub(super) fn are_all(&self) -> bool {
        self.progress.is_none() && self.config.mode == SnapshotMode::InitialOnly
    }

    /// A transaction begins that was committed at `commit_lsn`: whether rows have to be read before.
    pub(super) fn are_due_before(&mut self, commit_lsn: Lsn) -> bool {
        let due = self
            .snapshot
            .as_ref()
            .is_some_and(|snapshot| snapshot.lsn() <= commit_lsn);
        self.begun = self.begun.max(commit_lsn);
        due
    }

    /// The log is told up to `lsn`, between transactions: whether rows have to be read now.
    pub(super) fn are_due_at(&mut self, lsn: Lsn) -> bool {
        self.idle = self.idle.max(lsn);
        self.snapshot
            .as_ref()
            .is_some_and(|snapshot| snapshot.lsn() <= self.idle)
    }
}

impl<C: Catalog, T: Topics, R: SchemaRegistry, N: Snapshots> Intake<'_, C, T, R, N> {
    /// Takes a snapshot, while the stream is held, or goes on where that takes long. False when it was asked to stop.
    pub(super) async fn await_snapshot<S: crate::edge::ChangeStream>(
        &mut self,
        stream: &mut S,
        snapshots: &mut N,
        stop: &mut (impl Future<Output = ()> + Unpin),
    ) -> Result<bool, IntakeFault> {
        let mut taking = std::pin::pin!(snapshots.take());
        let hold = tokio::time::sleep(HOLD);
        tokio::pin!(hold);
        let mut is_held = true;
        let snapshot = loop {
            // Each branch is cancel-safe.
            let block = tokio::select! {
                biased;
                () = &mut *stop => return Ok(false),
                () = self.parcels.closed() => return Err(IntakeFault::ShipperGone),
                taken = &mut taking => break taken.map_err(DeliveryError::Source)?,
                () = &mut hold, if is_held => {
                    info!("a snapshot waits until the transactions that run now have ended; changes go on meanwhile");
                    is_held = false;
                    continue;
                }
                block = stream.next(), if !is_held => block,
            };
            self.take(&block.map_err(DeliveryError::Source)?).await?;
        };
        if self.rows.begun >= snapshot.lsn() {
            info!(lsn = %snapshot.lsn(), "changes have passed the snapshot, another one is taken");
            return Ok(true);
        }
        info!(lsn = %snapshot.lsn(), "snapshot taken");
        self.rows.snapshot = Some(snapshot);
        if self.transaction.is_none() && self.rows.are_due_at(Lsn::INVALID) {
            self.read_tables().await?;
        }
        Ok(true)
    }

    /// Reads what is left from the snapshot that the stream has reached.
    pub(super) async fn read_tables(&mut self) -> Result<(), IntakeFault> {
        let Some(mut snapshot) = self.rows.snapshot.take() else {
            return Ok(());
        };
        let Some(mut progress) = self.rows.progress.take() else {
            return Ok(());
        };
        self.hand_on().await?;
        let config = &self.rows.config;
        let window = if self.rows.is_first {
            config.first_window
        } else {
            config.window
        };
        self.rows.is_first = false;
        let until = Instant::now() + window;
        let before = progress.rows;
        let outcome = self.read_window(&mut snapshot, &mut progress, until).await?;
        let rows = progress.rows - before;
        let left = progress.tables.len();
        match outcome {
            Outcome::Done if left == 0 => {
                info!(lsn = %snapshot.lsn(), rows, tables = progress.table_count, "snapshot complete");
                self.parcel.snapshot = Some(None);
            }
            Outcome::Done | Outcome::TimeIsUp => {
                info!(lsn = %snapshot.lsn(), rows, tables_left = left, "rows read, the rest follows from a later snapshot");
                self.parcel.snapshot = Some(Some(progress.clone()));
                self.rows.progress = Some(progress);
            }
            Outcome::Stopped => self.rows.progress = Some(progress),
        }
        self.metrics
            .snapshot_tables
            .set(i64::try_from(left).unwrap_or(i64::MAX));
        self.metrics.snapshot_bytes.set(0);
        self.whole = self.parcel.batch.mark();
        self.hand_on().await
    }

    async fn read_window(
        &mut self,
        snapshot: &mut N::Snapshot,
        progress: &mut SnapshotProgress,
        until: Instant,
    ) -> Result<Outcome, IntakeFault> {
        let mut stopped = self.rows.stopped.clone();
        let mut pace = Pace::new(self.rows.config.rows_per_second);
        let mut told = Instant::now();
        let mut ended: Option<Table> = None;
        let tables: Vec<TableName> = progress.tables.iter().map(|one| one.table()).collect();
        let mut outcome = Outcome::Done;
        let mut reading: Option<Table> = None;
        'tables: for name in tables {
            let Some(mut table) = self.open(snapshot, progress, name).await? else {
                continue;
            };
            loop {
                let rows = tokio::select! {
                    biased;
                    _ = stopped.wait_for(|stop| *stop) => {
                        for table in ended.iter().chain([&table]).filter(|table| !table.held.line.is_empty()) {
                            let row = self.held_row(table)?;
                            progress.reach(&table.name, Some(row));
                        }
                        self.parcel.snapshot = Some(Some(progress.clone()));
                        return Ok(Outcome::Stopped);
                    }
                    () = self.parcels.closed() => return Err(IntakeFault::ShipperGone),
                    rows = snapshot.next() => rows.map_err(DeliveryError::Source)?,
                };
                let Some(rows) = rows else { break };
                if !rows.lines.is_empty()
                    && let Some(mut before) = ended.take()
                {
                    let mark = before.last_mark();
                    self.write_held(snapshot, progress, &mut before, mark)?;
                    progress.reach(&before.name, None);
                }
                let count = self.write_rows(snapshot, progress, &mut table, &rows).await?;
                table.bytes_left = table.bytes_left.saturating_sub(rows.bytes);
                self.tell(progress, table.bytes_left);
                if told.elapsed() >= TELL_INTERVAL {
                    told = Instant::now();
                    info!(table = %table.name, rows = progress.rows, bytes_left = table.bytes_left, tables_left = progress.tables.len(), "reading rows");
                }
                // Whoever asks to stop is heard above.
                tokio::select! {
                    biased;
                    _ = stopped.wait_for(|stop| *stop) => {}
                    () = self.parcels.closed() => return Err(IntakeFault::ShipperGone),
                    () = pace.keep(count) => {}
                }
                if Instant::now() >= until {
                    outcome = Outcome::TimeIsUp;
                    reading = Some(table);
                    break 'tables;
                }
            }
            if table.held.line.is_empty() {
                progress.reach(&table.name, None);
            } else {
                ended = Some(table);
            }
        }
        if let Some(mut table) = ended {
            // Of all tables there is none left but this one: its last row is the last of all.
            let is_last = reading.is_none() && progress.tables.len() == 1;
            let mark = if is_last {
                SnapshotMark::Last
            } else {
                table.last_mark()
            };
            self.write_held(snapshot, progress, &mut table, mark)?;
            progress.reach(&table.name, None);
        }
        if let Some(mut table) = reading
            && !table.held.line.is_empty()
        {
            let mark = table.mark();
            let row = self.write_held(snapshot, progress, &mut table, mark)?;
            let next = RowId {
                tid: row.tid.next(),
                ..row
            };
            progress.reach(&table.name, Some(next));
        }
        Ok(outcome)
    }

    /// Begins with a table; `None` when it cannot be read from this snapshot.
    async fn open(
        &mut self,
        snapshot: &mut N::Snapshot,
        progress: &mut SnapshotProgress,
        name: TableName,
    ) -> Result<Option<Table>, IntakeFault> {
        let next = progress
            .tables
            .iter()
            .find(|one| one.is(&name))
            .and_then(|one| one.next);
        let opened = snapshot.open(&name, next.map(Into::into)).await;
        match opened.map_err(DeliveryError::Source)? {
            Opened::Missing => {
                warn!(table = %name, lsn = %snapshot.lsn(), "table does not exist any more, none of its rows are read");
                progress.reach(&name, None);
                Ok(None)
            }
            Opened::Altered => {
                info!(table = %name, lsn = %snapshot.lsn(), "table was altered since the snapshot, it is read from a later one");
                Ok(None)
            }
            Opened::Table(table) => {
                let plan = self.relations.plan_of(&table.relation, &table.facts).await;
                let plan = plan.map_err(|fault| self.explain_table(&name, snapshot.lsn(), fault))?;
                info!(table = %name, topic = plan.topic(), bytes = table.bytes, "reading rows");
                Ok(Some(Table {
                    is_first: next.is_none() && progress.is_first(&name),
                    rows: u64::from(next.is_some()),
                    name,
                    plan,
                    held: Held::default(),
                    bytes_left: table.bytes,
                }))
            }
        }
    }

    /// Writes the row that was held, and all of these but the last, which is held.
    async fn write_rows(
        &mut self,
        snapshot: &N::Snapshot,
        progress: &mut SnapshotProgress,
        table: &mut Table,
        rows: &CopiedRows,
    ) -> Result<u64, IntakeFault> {
        let mut count = 0;
        self.now_unix_nanos = unix_nanos();
        for line in rows.lines.split_inclusive(|byte| *byte == b'\n') {
            if !table.held.line.is_empty() {
                let mark = table.mark();
                self.write_held(snapshot, progress, table, mark)?;
            }
            table.held.table = rows.table;
            table.held.line.extend_from_slice(line);
            count += 1;
            if self.parcel.batch.len_bytes() >= PARCEL_BYTES {
                self.hand_on_rows(progress, table).await?;
            }
        }
        // Whatever comes later is not waited for.
        if !self.parcel.batch.is_empty() && !table.held.line.is_empty() {
            self.hand_on_rows(progress, table).await?;
        }
        Ok(count)
    }

    /// Sends on what was written, up to the row that is held.
    async fn hand_on_rows(
        &mut self,
        progress: &mut SnapshotProgress,
        table: &Table,
    ) -> Result<(), IntakeFault> {
        let row = self.held_row(table)?;
        progress.reach(&table.name, Some(row));
        self.parcel.snapshot = Some(Some(progress.clone()));
        self.whole = self.parcel.batch.mark();
        self.hand_on().await
    }

    fn tell(&self, progress: &SnapshotProgress, bytes_left: u64) {
        let left = i64::try_from(progress.tables.len()).unwrap_or(i64::MAX);
        self.metrics.snapshot_tables.set(left);
        self.metrics.snapshot_bytes.set(bytes_left);
    }

    fn held_row(&mut self, table: &Table) -> Result<RowId, IntakeFault> {
        Ok(table.decode_held(&mut self.rows.decoder)?.0)
    }

    fn write_held(
        &mut self,
        snapshot: &N::Snapshot,
        progress: &mut SnapshotProgress,
        table: &mut Table,
        mark: SnapshotMark,
    ) -> Result<RowId, IntakeFault> {
        let (id, values) = table.decode_held(&mut self.rows.decoder)?;
        let context = ReadContext {
            lsn: snapshot.lsn(),
            fixed_at: snapshot.taken_at(),
            mark,
            row: id,
            processed_at_unix_nanos: self.now_unix_nanos,
        };
        let written = table.plan.encode_read(values, &context, &mut self.parcel.batch);
        written.map_err(|source| DeliveryError::MapRow {
            table: table.name.clone(),
            row: Some(id.tid),
            lsn: snapshot.lsn(),
            source: Box::new(source),
        })?;
        table.held.line.clear();
        table.rows += 1;
        progress.rows += 1;
        self.metrics.snapshot_rows.inc();
        Ok(id)
    }
}

impl Table {
    /// The row that is held, and what it is recognized by.
    fn decode_held<'d>(&self, decoder: &'d mut CopyDecoder) -> Result<(RowId, Tuple<'d>), DeliveryError> {
        let decoded = decoder.decode(&self.held.line);
        let row = decoded.map_err(|source| DeliveryError::CopiedRow {
            table: self.name.clone(),
            source,
        })?;
        let id = RowId {
            table: self.held.table,
            tid: row.tid,
        };
        Ok((id, row.values))
    }

    /// The mark of the held row, when none follows in its table; Debezium counts the first of all before it.
    fn last_mark(&self) -> SnapshotMark {
        match self.mark() {
            SnapshotMark::First => SnapshotMark::First,
            _ => SnapshotMark::LastInTable,
        }
    }

    /// The mark of the held row, when another one follows.
    fn mark(&self) -> SnapshotMark {
        match (self.rows, self.is_first) {
            (0, true) => SnapshotMark::First,
            (0, false) => SnapshotMark::FirstInTable,
            _ => SnapshotMark::Row,
        }
    }
}

/// Keeps reading to a rate.
struct Pace {
    rows_per_second: Option<u32>,
    begun: Instant,
    rows: u64,
}

impl Pace {
    fn new(rows_per_second: Option<u32>) -> Self {
        Self {
            rows_per_second,
            begun: Instant::now(),
            rows: 0,
        }
    }

    async fn keep(&mut self, rows: u64) {
        let Some(rate) = self.rows_per_second else { return };
        self.rows += rows;
        let micros = self.rows.saturating_mul(1_000_000) / u64::from(rate.max(1));
        tokio::time::sleep_until(self.begun + Duration::from_micros(micros)).await;
    }
}
