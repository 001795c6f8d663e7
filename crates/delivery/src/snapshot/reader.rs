//! Snapshot reader: reads existing rows between two sections of the stream.

pub(crate) mod execution;
pub(crate) mod failed_request;
pub(crate) mod last_row;
pub(crate) mod missing_rows;
pub(crate) mod notifications;
pub(crate) mod opening;
pub(crate) mod pace;
pub(crate) mod quarantine;
pub(crate) mod schedule;
pub(crate) mod state;
pub(crate) mod window;

use std::collections::BTreeMap;

use tokio::sync::watch;
use tokio::time::Instant;
use tracing::info;
use walcast_mapper::TableName;
use walcast_pgoutput::Lsn;

use self::state::SnapshotState;
use self::window::{Outcome, Window};
use crate::encode::output::Output;
use crate::encode::ports::EncodePorts;
use crate::error::DeliveryError;
use crate::ports::snapshots::{Snapshot, Snapshots};
use crate::snapshot::control::{Request, SnapshotRequests};
use crate::snapshot::progress::SnapshotProgress;
use crate::snapshot::signal::{Signal, SignalError};
use crate::stream::interruption::Interruption;

/// Reader of existing rows: reads when the stream has reached a snapshot, and executes snapshot requests.
pub(crate) struct SnapshotReader<'a, N: Snapshots> {
    state: SnapshotState<'a, N::Snapshot>,
    requests: &'a mut SnapshotRequests,
    /// Signal that the connector stops, which ends reading early.
    stopped: watch::Receiver<bool>,
}

impl<'a, N: Snapshots> SnapshotReader<'a, N> {
    pub(crate) fn new(
        state: SnapshotState<'a, N::Snapshot>,
        requests: &'a mut SnapshotRequests,
        stopped: watch::Receiver<bool>,
    ) -> Self {
        Self {
            state,
            requests,
            stopped,
        }
    }

    /// Table whose new rows are signals.
    pub(crate) fn signal_table(&self) -> Option<&TableName> {
        self.state.schedule.config.signal_table.as_ref()
    }

    /// Publishes which tables remain to be read.
    pub(crate) fn publish_state(&self) {
        self.state.publish();
    }

    /// Whether all rows are read and no changes are to be streamed after them.
    pub(crate) fn is_last_task_done(&self) -> bool {
        self.state.schedule.is_last_task_done()
    }

    /// Whether tables are to be read and there is no snapshot to read them from.
    pub(crate) fn needs_snapshot(&self) -> bool {
        self.state.schedule.needs_snapshot()
    }

    /// Prepares for a snapshot that is about to be taken.
    pub(crate) fn prepare_snapshot(&mut self) {
        self.state.note_memberships();
    }

    /// Time at which tables are tried again that the connector may not read.
    pub(crate) fn next_retry(&self) -> Option<Instant> {
        self.state.schedule.next_retry()
    }

    /// Whether a change is withheld because its table is read later.
    #[inline]
    pub(crate) fn holds_back(&self, table: impl FnOnce() -> Option<TableName>) -> bool {
        self.state.schedule.holds_back(table)
    }

    /// Next request. Cancel-safe.
    pub(crate) async fn next_request(&mut self) -> Request {
        self.requests.next().await
    }

    /// Request that is waiting, if there is one.
    pub(crate) fn waiting_request(&mut self) -> Option<Request> {
        self.requests.waiting()
    }

    /// Executes a request, stores its effect with the next checkpoint, and then replies.
    pub(crate) async fn execute<E: EncodePorts>(
        &mut self,
        request: Request,
        output: &mut Output<'_, E>,
    ) -> Result<(), Interruption> {
        self.state.execute(request, output).await
    }

    /// Executes the signals of the open transaction. Their effect is stored with that transaction.
    pub(crate) async fn execute_signals<E: EncodePorts>(
        &mut self,
        signals: Vec<Result<Signal, SignalError>>,
        output: &mut Output<'_, E>,
    ) -> Result<(), DeliveryError> {
        self.state.execute_signals(signals, output).await
    }

    /// Stores which tables were quarantined, and leaves out their rows that remain to be read.
    #[inline]
    pub(crate) async fn set_aside<E: EncodePorts>(
        &mut self,
        output: &mut Output<'_, E>,
    ) -> Result<(), DeliveryError> {
        match output.tables.quarantines.has_changes() {
            true => self.state.set_aside(output).await,
            false => Ok(()),
        }
    }

    /// Keeps a snapshot until the stream reaches it. False if the stream has passed it.
    pub(crate) fn accept(&mut self, snapshot: N::Snapshot) -> bool {
        let lsn = snapshot.lsn();
        let is_accepted = self.state.schedule.accept(snapshot);
        if is_accepted {
            info!(%lsn, "snapshot taken");
        } else {
            info!(%lsn, "changes have passed the snapshot, taking another one");
        }
        is_accepted
    }

    /// Reads rows if the stream, which has sent all changes up to `lsn`, has reached their snapshot.
    pub(crate) async fn reach<E: EncodePorts>(
        &mut self,
        lsn: Lsn,
        output: &mut Output<'_, E>,
    ) -> Result<(), Interruption> {
        if self.state.schedule.is_due_at(lsn) {
            self.read_tables(output).await?;
        }
        Ok(())
    }

    /// Reads rows before a transaction with its commit record at `commit_lsn`, if their snapshot does not show that
    /// transaction.
    #[inline]
    pub(crate) async fn reach_transaction<E: EncodePorts>(
        &mut self,
        commit_lsn: Lsn,
        output: &mut Output<'_, E>,
    ) -> Result<(), Interruption> {
        if self.state.schedule.is_due_before(commit_lsn) {
            self.read_tables(output).await?;
        }
        Ok(())
    }

    /// Reads the remaining tables from the snapshot that the stream has reached.
    async fn read_tables<E: EncodePorts>(&mut self, output: &mut Output<'_, E>) -> Result<(), Interruption> {
        let Some(mut snapshot) = self.state.schedule.take_snapshot() else {
            return Ok(());
        };
        output.batch.flush().await?;
        let lsn = snapshot.lsn();
        // Reading may have been stopped or paused since the snapshot was taken.
        if !self.state.schedule.progress.can_be_read_at(lsn) {
            return Ok(());
        }
        if self.state.schedule.needs_stream_restart() && self.state.schedule.publishing_ends(lsn) {
            return self.restart_stream(lsn, output).await;
        }
        let until = Instant::now() + self.state.schedule.next_window();
        let SnapshotState {
            schedule, notifier, ..
        } = &mut self.state;
        notifier.started(&mut schedule.progress, output).await?;
        self.publish_window(&mut snapshot).await?;
        let before = self.state.schedule.progress.rows;
        let window = Window::new(&mut self.state, self.requests, self.stopped.clone(), until);
        let outcome = window.read(&mut snapshot, output).await;
        self.state.status.end();
        let outcome = outcome?;
        let progress = &self.state.schedule.progress;
        // A request that stopped all reading in the meantime has reset the count.
        let rows = progress.rows.saturating_sub(before);
        let left = progress.tables.len();
        match outcome {
            Outcome::Done if left == 0 => {
                info!(%lsn, rows, tables = progress.table_count, "snapshot complete");
                self.state.schedule.progress = SnapshotProgress::default();
            }
            Outcome::Paused => info!(%lsn, rows, tables_remaining = left, "snapshot paused"),
            Outcome::Done | Outcome::TimeIsUp | Outcome::Broken => {
                info!(%lsn, rows, tables_remaining = left, "rows read, the rest follows from a later snapshot");
            }
            Outcome::Stopped => {}
        }
        self.state.store_progress(output);
        output.batch.cut();
        Ok(output.batch.flush().await?)
    }

    async fn publish_window(&mut self, snapshot: &mut N::Snapshot) -> Result<(), DeliveryError> {
        let tables = self.state.schedule.progress.tables.iter();
        let tables: Vec<TableName> = tables.map(|one| one.table()).collect();
        let sizes: BTreeMap<TableName, u64> = snapshot.sizes(&tables).await.map_err(DeliveryError::Source)?;
        self.state.publish();
        self.state.status.begin(snapshot.lsn(), sizes);
        Ok(())
    }

    /// Restarts the stream at `lsn`, up to which all changes are sent: a stream that begins there has all tables that
    /// are published now.
    async fn restart_stream<E: EncodePorts>(
        &mut self,
        lsn: Lsn,
        output: &mut Output<'_, E>,
    ) -> Result<(), Interruption> {
        self.state.schedule.end_publishing(lsn);
        info!(%lsn, "restarting the stream, so that the server sends the tables that are published now");
        self.state.store_progress(output);
        output.batch.idle(lsn);
        output.batch.flush().await?;
        Err(Interruption::Restart)
    }
}
