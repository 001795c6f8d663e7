//! Groups whole source transactions into Kafka transactions, commits them with the checkpoint, and confirms.

use tokio::sync::mpsc;
use tokio::time::{Duration, Instant};
use tracing::{debug, trace};
use walcast_mapper::Batch;
use walcast_pgoutput::{Lsn, PgTimestamp};

use crate::edge::{Feedback, Sink};
use crate::heartbeat::Heartbeat;
use crate::notes::Notes;
use crate::parcel::{OpenTransaction, Parcel};
use crate::pending::Pending;
use crate::retention::Retention;
use crate::{
    Checkpoint, CheckpointState, CheckpointUpdate, CommitMark, DeliveryConfig, DeliveryError, Halt, Metrics,
    Partial, Positions,
};

/// While more is waiting to be shipped, a Kafka transaction is left open this long: each commit costs the broker far more
/// than a record does.
const BACKLOG_COMMIT_INTERVAL: Duration = Duration::from_millis(100);

/// A source transaction must be shipped within this share of `transaction.timeout.ms`, so that we stop before the
/// broker aborts.
const TIMEOUT_SHARE: f64 = 0.9;

/// The writing half of a session.
pub(crate) struct Shipper<'a, K, F> {
    sink: &'a mut K,
    feedback: F,
    config: &'a DeliveryConfig,
    metrics: &'a Metrics,
    pending: &'a Pending,
    retention: Retention,
    heartbeat: Option<Heartbeat>,
    positions: Positions,
    /// The last checkpoint committed; the next one is made from it.
    checkpoint: Checkpoint,
    uncommitted: Uncommitted,
    last_commit_at: Instant,
    /// Whether the server's log is known to be the one that was delivered from: before that nothing may be written or confirmed.
    is_recognised: bool,
}

/// What has been written since the last commit.
#[derive(Debug, Default)]
struct Uncommitted {
    /// When the first record was written; `None` while no record is uncommitted.
    since: Option<Instant>,
    bytes: usize,
    transactions: u64,
    oldest_commit: Option<PgTimestamp>,
    completed: Option<CommitMark>,
    /// The last message after `completed`.
    message: Option<Lsn>,
    idle_until: Option<Lsn>,
    open: Option<OpenTransaction>,
    notes: Notes,
}

impl Uncommitted {
    /// The position that a checkpoint would have now.
    fn position(&self) -> Option<Lsn> {
        self.completed.map(|commit| commit.end_lsn).max(self.idle_until)
    }
}

impl<'a, K: Sink, F: Feedback> Shipper<'a, K, F> {
    #[expect(clippy::too_many_arguments, reason = "a session's parts meet here once")]
    pub(crate) fn new(
        sink: &'a mut K,
        feedback: F,
        config: &'a DeliveryConfig,
        metrics: &'a Metrics,
        pending: &'a Pending,
        retention: Retention,
        heartbeat: Option<Heartbeat>,
        positions: Positions,
        checkpoint: Checkpoint,
    ) -> Self {
        let last_commit_at = Instant::now();
        let uncommitted = Uncommitted::default();
        Self {
            sink,
            feedback,
            config,
            metrics,
            pending,
            retention,
            heartbeat,
            positions,
            checkpoint,
            uncommitted,
            last_commit_at,
            is_recognised: true,
        }
    }

    /// Whether nothing is written or confirmed before the first parcel comes: until then the server's log may be another one
    /// than was delivered from.
    pub(crate) fn waiting_for_first_parcel(self, waits: bool) -> Self {
        Self {
            is_recognised: !waits,
            ..self
        }
    }

    /// Ships parcels until their sender is gone; then commits what is whole, or aborts where a transaction is not.
    pub(crate) async fn run(
        mut self,
        mut parcels: mpsc::Receiver<Parcel>,
        emptied: mpsc::Sender<Batch>,
    ) -> Result<(), DeliveryError> {
        if self.positions.confirmed().is_valid() {
            self.feedback.confirm(self.positions.confirmed());
        }
        // An earlier session may have ended between its last commit and the confirmation.
        self.confirm();
        loop {
            let due = self.commit_due();
            // `recv` is cancel-safe. A parcel that is ready goes first: whether to commit is looked at after each.
            let parcel = tokio::select! {
                biased;
                parcel = parcels.recv() => parcel,
                () = sleep_until(due) => {
                    self.commit().await?;
                    continue;
                }
                halt = self.overdue() => return Err(halt.into()),
            };
            let Some(parcel) = parcel else { break };
            if !self.is_recognised {
                self.is_recognised = true;
                self.confirm();
            }
            let more_is_waiting = !parcels.is_empty();
            if parcel.open.is_some() && self.holds_only_whole_records() {
                // Whatever becomes of the transaction that begins here, what came before it is in Kafka.
                self.commit().await?;
            }
            let batch = self.ship(parcel).await?;
            // Nobody takes it when reading has ended; then it is freed.
            drop(emptied.try_send(batch));
            if self.must_commit_now(more_is_waiting)? {
                self.commit().await?;
            }
        }
        self.finish().await
    }

    async fn ship(&mut self, parcel: Parcel) -> Result<Batch, DeliveryError> {
        let Parcel {
            mut batch,
            completed,
            message,
            transactions,
            oldest_commit,
            open,
            idle_until,
            notes,
        } = parcel;
        let uncommitted = &mut self.uncommitted;
        let earlier_message = uncommitted.message.filter(|_| completed.is_none());
        uncommitted.message = message.or(earlier_message);
        uncommitted.completed = completed.or(uncommitted.completed);
        uncommitted.idle_until = idle_until.max(uncommitted.idle_until);
        uncommitted.transactions += transactions;
        uncommitted.open = open;
        uncommitted.notes.add(notes);
        uncommitted.oldest_commit = uncommitted
            .oldest_commit
            .or(oldest_commit)
            .or(open.map(|open| open.commit_time));
        self.pending.since(uncommitted.oldest_commit);
        if let Some(position) = self.uncommitted.position() {
            self.positions.receive(position.max(self.positions.received()));
            self.metrics.received_lsn.set(self.positions.received().as_u64());
        }
        if !batch.is_empty() {
            let bytes = batch.len_bytes();
            self.uncommitted.since.get_or_insert_with(Instant::now);
            self.uncommitted.bytes += bytes;
            trace!(records = batch.record_count(), bytes, "parcel written");
            batch = self.sink.write(batch).await.map_err(DeliveryError::Sink)?;
            self.metrics
                .produced_bytes
                .inc_by(u64::try_from(bytes).unwrap_or(u64::MAX));
        }
        if let Some(position) = self.uncommitted.position() {
            self.positions.produce(position.max(self.positions.produced()));
            self.metrics.produced_lsn.set(self.positions.produced().as_u64());
        }
        Ok(batch)
    }

    /// Whether a checkpoint would say something new.
    fn advances(&self) -> bool {
        let position = self.uncommitted.position();
        position.is_some_and(|position| position > self.checkpoint.end_lsn)
            || !self.uncommitted.notes.is_empty()
    }

    fn holds_only_whole_records(&self) -> bool {
        self.uncommitted.since.is_some() && self.uncommitted.open.is_none()
    }

    /// When the next commit is due if nothing more comes; `None` while there is nothing to commit, or nothing whole.
    fn commit_due(&self) -> Option<Instant> {
        if self.uncommitted.open.is_some() || !self.is_recognised {
            return None;
        }
        let is_waited_for = !self.uncommitted.notes.replies.is_empty();
        if self.uncommitted.since.is_some() || is_waited_for {
            return Some(self.last_commit_at + self.config.commit_interval);
        }
        let advances = self.advances();
        let idle = advances.then(|| self.last_commit_at + self.config.idle_interval);
        let heartbeat = self.heartbeat.as_ref().map(Heartbeat::due);
        idle.into_iter().chain(heartbeat).min()
    }

    /// Whether to commit before the next parcel is taken.
    fn must_commit_now(&self, more_is_waiting: bool) -> Result<bool, DeliveryError> {
        let Some(since) = self.uncommitted.since else {
            // A parcel without records never hurries a commit, but a steady flow of them must not put it off either.
            return Ok(self.commit_due().is_some_and(|due| due <= Instant::now()));
        };
        let Some(open) = self.uncommitted.open else {
            let interval = if more_is_waiting {
                BACKLOG_COMMIT_INTERVAL
            } else {
                self.config.commit_interval
            };
            let is_due = Instant::now() >= since.max(self.last_commit_at) + interval;
            return Ok(is_due || self.uncommitted.bytes >= self.config.commit_bytes);
        };
        let split = self
            .config
            .split_over_bytes
            .and_then(|bytes| usize::try_from(bytes).ok());
        if split.is_some_and(|bytes| self.uncommitted.bytes >= bytes) {
            return Ok(true);
        }
        if since.elapsed() < self.time_limit() {
            return Ok(false);
        }
        Err(self.too_slow(since, open).into())
    }

    /// Ends when the transaction that is being written has not come to its end in time, also while nothing more of it
    /// comes. Cancel-safe.
    async fn overdue(&self) -> Halt {
        let (Some(since), Some(open)) = (self.uncommitted.since, self.uncommitted.open) else {
            return std::future::pending().await;
        };
        tokio::time::sleep_until(since + self.time_limit()).await;
        self.too_slow(since, open)
    }

    fn time_limit(&self) -> Duration {
        self.config.transaction_timeout.mul_f64(TIMEOUT_SHARE)
    }

    fn too_slow(&self, since: Instant, open: OpenTransaction) -> Halt {
        Halt::TransactionTooSlow {
            xid: open.xid,
            commit_lsn: open.commit_lsn,
            elapsed: since.elapsed(),
            limit: self.config.transaction_timeout,
            after: self.positions.checkpointed(),
        }
    }

    async fn commit(&mut self) -> Result<(), DeliveryError> {
        let mut uncommitted = std::mem::take(&mut self.uncommitted);
        let notes = std::mem::take(&mut uncommitted.notes);
        let position = uncommitted
            .position()
            .unwrap_or(self.checkpoint.end_lsn)
            .max(self.checkpoint.end_lsn);
        let written_at = PgTimestamp::now();
        // After a restart inside a split transaction the position can move before the rest of it comes: what was
        // delivered of it must stay known.
        let known = self
            .checkpoint
            .partial
            .filter(|partial| position <= partial.commit_lsn);
        let partial = uncommitted
            .open
            .filter(|_| uncommitted.since.is_some())
            .map(|open| Partial {
                commit_lsn: open.commit_lsn,
                next_ordinal: open.next_ordinal.as_u64(),
            })
            .or(known);
        let current = Checkpoint {
            state: CheckpointState::Streaming,
            end_lsn: position,
            last_commit: uncommitted.completed.or(self.checkpoint.last_commit),
            last_message: uncommitted.message.or(self
                .checkpoint
                .last_message
                .filter(|_| uncommitted.completed.is_none())),
            partial,
            snapshot: notes.snapshot.unwrap_or(self.checkpoint.snapshot.take()),
            signals_read: notes.signals_read.or(self.checkpoint.signals_read),
            written_at_unix_micros: written_at.unix_micros(),
            ..self.checkpoint.clone()
        };
        let enters_history = partial.is_none() && self.retention.is_due(current.written_at_unix_micros);
        let expired = self.retention.expired(self.positions.confirmed());
        let update = CheckpointUpdate {
            current,
            enters_history,
            expired,
            known_tables: notes.known_tables,
        };

        if let Some(beat) = self.heartbeat.as_mut().and_then(Heartbeat::beat_if_due) {
            drop(self.sink.write(beat).await.map_err(DeliveryError::Sink)?);
        }
        let begun = Instant::now();
        self.sink.commit(&update).await.map_err(DeliveryError::Sink)?;
        self.last_commit_at = Instant::now();
        self.metrics
            .kafka_commit_seconds
            .observe(begun.elapsed().as_secs_f64());

        self.positions.checkpoint(position);
        if enters_history {
            self.retention
                .remember(position, update.current.written_at_unix_micros);
        }
        self.retention.forget(&update.expired);
        self.checkpoint = update.current;
        self.report(&uncommitted);
        self.confirm();
        notes.replies.into_iter().for_each(|reply| reply());
        Ok(())
    }

    /// Tells the slot what a committed checkpoint covers, as far as replay lets go of it.
    fn confirm(&mut self) {
        if !self.is_recognised {
            return;
        }
        let checkpointed = self.positions.checkpointed();
        let Some(confirmable) = self
            .retention
            .confirmable(checkpointed, self.checkpoint.written_at_unix_micros)
        else {
            return;
        };
        if confirmable > self.positions.confirmed() {
            self.positions.confirm(confirmable);
            self.feedback.confirm(confirmable);
            self.metrics.confirmed_lsn.set(confirmable.as_u64());
        }
    }

    fn report(&self, uncommitted: &Uncommitted) {
        let position = self.positions.checkpointed();
        self.metrics.checkpointed_lsn.set(position.as_u64());
        self.metrics.transactions.inc_by(uncommitted.transactions);
        // What is still open keeps waiting from its own commit on.
        self.pending.since(uncommitted.open.map(|open| open.commit_time));
        let waited = |commit: PgTimestamp| (PgTimestamp::now().unix_micros() - commit.unix_micros()).max(0);
        if let Some(oldest) = uncommitted.oldest_commit {
            let seconds = Duration::from_micros(u64::try_from(waited(oldest)).unwrap_or(0)).as_secs_f64();
            self.metrics.delivery_seconds.observe(seconds);
        }
        if let Some(commit) = uncommitted.completed.filter(|_| uncommitted.transactions > 0) {
            self.metrics
                .lag_ms
                .set(waited(PgTimestamp::from_unix_micros(commit.commit_time_unix_micros)) / 1000);
        } else if uncommitted.since.is_none() {
            self.metrics.lag_ms.set(0);
        }
        debug!(lsn = %position, transactions = uncommitted.transactions, bytes = uncommitted.bytes, "checkpoint committed");
    }

    /// Nothing more will come.
    async fn finish(mut self) -> Result<(), DeliveryError> {
        if self.uncommitted.open.is_some() {
            return self.sink.abort().await.map_err(DeliveryError::Sink);
        }
        if self.advances() || self.uncommitted.since.is_some() {
            self.commit().await?;
        }
        Ok(())
    }
}

async fn sleep_until(due: Option<Instant>) {
    match due {
        Some(due) => tokio::time::sleep_until(due).await,
        None => std::future::pending().await,
    }
}
