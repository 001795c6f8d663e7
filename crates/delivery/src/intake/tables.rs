//! When existing rows are read, between two stretches of the stream.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;
use tracing::info;
use walcast_mapper::TableName;
use walcast_pgoutput::{CopyDecoder, Lsn};

use super::window::Outcome;
use super::{Intake, IntakeFault};
use crate::edge::{RowsCatalog, SchemaRegistry, Snapshot, Snapshots, Topics};
use crate::snapshot::{Publishing, SnapshotConfig, SnapshotMode, SnapshotProgress};
use crate::{DeliveryConfig, DeliveryError};

/// What a session reads beside the stream.
pub(crate) struct Rows<S> {
    /// What is left to be read; no tables: nothing.
    pub(super) progress: SnapshotProgress,
    /// A snapshot that the stream has not reached yet.
    snapshot: Option<S>,
    /// Whether that is the slot's own.
    is_first: bool,
    pub(super) config: SnapshotConfig,
    /// The publication's name, for messages.
    pub(super) publication: String,
    /// Ends reading before its end.
    pub(super) stopped: watch::Receiver<bool>,
    pub(super) decoder: CopyDecoder,
    /// The last commit position that the stream has begun to tell.
    begun: Lsn,
    /// The last end of log that it told between transactions.
    idle: Lsn,
    /// Whether the server goes on to leave out changes of a table that was published while a transaction ran: then the stream
    /// has to be begun anew behind that transaction.
    renews: bool,
    /// Whether there may be a table of which it is not sure yet that all changes are streamed: this is asked for each change.
    awaits_publishing: bool,
}

impl<S: Snapshot> Rows<S> {
    pub(crate) fn new(
        progress: Option<SnapshotProgress>,
        first: Option<S>,
        config: &DeliveryConfig,
        stopped: watch::Receiver<bool>,
        renews: bool,
    ) -> Self {
        let progress = progress.unwrap_or_default();
        let mut tables = progress.tables.iter();
        Self {
            awaits_publishing: tables.any(|table| table.publishing != Publishing::Done),
            progress,
            is_first: first.is_some(),
            snapshot: first,
            config: config.snapshot.clone(),
            publication: config.publication.clone(),
            stopped,
            decoder: CopyDecoder::default(),
            begun: Lsn::INVALID,
            idle: Lsn::INVALID,
            renews,
        }
    }

    /// Whether there is something to read and nothing to read it from.
    pub(super) fn want_snapshot(&self) -> bool {
        self.snapshot.is_none() && self.progress.wants_snapshot()
    }

    /// Whether everything that was wanted is read: nothing is streamed after it.
    pub(super) fn are_all(&self) -> bool {
        self.progress.tables.is_empty() && self.config.mode == SnapshotMode::InitialOnly
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

    /// Whether changes of a table are not told yet. A server that leaves some of them out may leave out what ends a row that
    /// others have told of; the rows that are read later are what all of them have left.
    #[inline]
    pub(super) fn hold_back(&self, table: impl FnOnce() -> Option<TableName>) -> bool {
        self.renews
            && self.awaits_publishing
            && table()
                .and_then(|table| self.progress.find(&table).map(|one| one.publishing))
                .is_some_and(|publishing| publishing != Publishing::Done)
    }

    /// Whether a stream has to be begun anew for tables that were published while a transaction ran.
    pub(super) fn renews(&self) -> bool {
        self.renews
    }

    /// A table is published now, or about to be.
    pub(super) fn await_publishing(&mut self, table: &TableName, publishing: Publishing) {
        self.progress
            .await_publishing(table, publishing, &self.config, self.renews, true);
        self.awaits_publishing = true;
    }

    /// As the checkpoint has it.
    pub(super) fn stored(&self) -> Option<SnapshotProgress> {
        self.progress.clone().into_stored()
    }

    fn next_window(&mut self) -> Duration {
        if std::mem::take(&mut self.is_first) {
            self.config.first_window
        } else {
            self.config.window
        }
    }
}

impl<C: RowsCatalog, T: Topics, R: SchemaRegistry, N: Snapshots> Intake<'_, C, T, R, N> {
    /// Takes a snapshot, while the stream is held, or goes on where that takes long. False when it was asked to stop.
    pub(super) async fn await_snapshot<S: crate::edge::ChangeStream>(
        &mut self,
        stream: &mut S,
        snapshots: &mut N,
        stop: &mut (impl Future<Output = ()> + Unpin),
    ) -> Result<bool, IntakeFault> {
        let hold = tokio::time::sleep(snapshots.hold());
        let mut taking = std::pin::pin!(snapshots.take());
        tokio::pin!(hold);
        let mut is_held = true;
        let snapshot = loop {
            // Each branch is cancel-safe.
            let block = tokio::select! {
                biased;
                () = &mut *stop => return Ok(false),
                () = self.parcels.closed() => return Err(IntakeFault::ShipperGone),
                request = self.requests.next(), if self.transaction.is_none() => {
                    self.carry_out(request).await?;
                    if !self.rows.want_snapshot() {
                        return Ok(true);
                    }
                    continue;
                }
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
        self.hand_on().await?;
        let lsn = snapshot.lsn();
        // Somebody may have stopped it since it was taken.
        if !self.rows.progress.can_be_read_at(lsn) {
            return Ok(());
        }
        if self.rows.renews && self.publishing_ends(lsn) {
            return self.renew(lsn).await;
        }
        let until = Instant::now() + self.rows.next_window();
        self.notify_start().await?;
        self.show_window(&mut snapshot).await?;
        let before = self.rows.progress.rows;
        let outcome = self.read_window(&mut snapshot, until).await;
        self.metrics.snapshot.end();
        let outcome = outcome?;
        let progress = &self.rows.progress;
        // Somebody who stopped everything meanwhile has ended the count.
        let rows = progress.rows.saturating_sub(before);
        let left = progress.tables.len();
        match outcome {
            Outcome::Done if left == 0 => {
                info!(%lsn, rows, tables = progress.table_count, "snapshot complete");
                self.rows.progress = SnapshotProgress::default();
            }
            Outcome::Paused => info!(%lsn, rows, tables_left = left, "reading rows is paused"),
            Outcome::Done | Outcome::TimeIsUp | Outcome::Broken => {
                info!(%lsn, rows, tables_left = left, "rows read, the rest follows from a later snapshot");
            }
            Outcome::Stopped => {}
        }
        self.note_progress();
        self.whole = self.parcel.batch.mark();
        self.hand_on().await
    }

    async fn show_window(&mut self, snapshot: &mut N::Snapshot) -> Result<(), IntakeFault> {
        let tables: Vec<TableName> = self.rows.progress.tables.iter().map(|one| one.table()).collect();
        let sizes: BTreeMap<TableName, u64> = snapshot.sizes(&tables).await.map_err(DeliveryError::Source)?;
        self.show_progress();
        self.metrics.snapshot.begin(snapshot.lsn(), sizes);
        Ok(())
    }

    /// What is left goes into the next checkpoint, and is shown.
    pub(super) fn note_progress(&mut self) {
        self.parcel.notes.snapshot = Some(self.rows.stored());
        self.show_progress();
    }

    /// Which tables are left has changed, or whether reading waits.
    pub(super) fn show_progress(&self) {
        let progress = &self.rows.progress;
        let left = progress.tables.len();
        self.metrics.snapshot.show((left > 0).then_some(progress));
        self.metrics
            .snapshot_tables
            .set(i64::try_from(left).unwrap_or(i64::MAX));
        if left == 0 {
            self.metrics.snapshot_bytes.set(0);
        }
    }

    /// Whether a table is published since a position that the stream has reached now.
    fn publishing_ends(&mut self, lsn: Lsn) -> bool {
        let mut tables = self.rows.progress.tables.iter();
        tables.any(|table| matches!(table.publishing, Publishing::Since(since) if since <= lsn))
    }

    /// Everything before `lsn` is told: a stream that begins there has forgotten which tables were not published once.
    async fn renew(&mut self, lsn: Lsn) -> Result<(), IntakeFault> {
        for table in &mut self.rows.progress.tables {
            if table.publishing.allows(lsn) {
                table.publishing = Publishing::Done;
            }
        }
        let progress = &mut self.rows.progress;
        progress
            .tables
            .retain(|table| !table.unread || table.publishing != Publishing::Done);
        if progress.tables.is_empty() {
            *progress = SnapshotProgress::default();
        }
        info!(%lsn, "the stream is begun anew, so that the server sees which tables are published now");
        self.note_progress();
        self.parcel.idle_until = self.parcel.idle_until.max(Some(lsn));
        self.hand_on().await?;
        Err(IntakeFault::Renew)
    }
}
