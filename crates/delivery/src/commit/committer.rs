//! Committer: commits whole source transactions with their checkpoint in Kafka transactions, and confirms the slot.

use tokio::time::{Duration, Instant};
use tracing::{debug, trace};
use walcast_mapper::RecordBuffer;
use walcast_pgoutput::{Lsn, PgTimestamp};

use crate::batch::contents::{Batch, OpenTransaction};
use crate::batch::delta::CheckpointDelta;
use crate::batch::queue::BatchReceiver;
use crate::commit::heartbeat::Heartbeat;
use crate::commit::pace::CommitPace;
use crate::commit::retention::Retention;
use crate::config::DeliveryConfig;
use crate::error::DeliveryError;
use crate::halt::Halt;
use crate::metrics::Metrics;
use crate::ports::sink::Sink;
use crate::ports::source::Feedback;
use crate::position::checkpoint::{Checkpoint, CheckpointState, CheckpointUpdate, CommitPosition, Partial};
use crate::position::positions::Positions;
use crate::state::ConnectorState;
use crate::state::outboxes::{self, OutboxCounts};
use crate::state::pending::age;
use crate::state::transactions::{NOTED_OF_COMMIT, NotedTransaction};

/// Share of `transaction.timeout.ms` within which a source transaction must be committed, so that the connector stops
/// before the broker aborts the Kafka transaction.
const TIMEOUT_SHARE: f64 = 0.9;

/// Writing half of a session.
pub(crate) struct Committer<'a, K, F> {
    sink: &'a mut K,
    feedback: F,
    config: &'a DeliveryConfig,
    metrics: &'a Metrics,
    state: &'a ConnectorState,
    retention: Retention,
    heartbeat: Option<Heartbeat>,
    positions: Positions,
    /// Last committed checkpoint, from which the next one is derived.
    checkpoint: Checkpoint,
    uncommitted: Uncommitted,
    pace: CommitPace,
}

/// Records written since the last commit.
#[derive(Debug, Default)]
struct Uncommitted {
    /// Time of the first record; `None` while no record is uncommitted.
    since: Option<Instant>,
    bytes: usize,
    transactions: u64,
    oldest_commit: Option<PgTimestamp>,
    /// How long after their commits the server sent the transactions, at most.
    sent_after: Duration,
    completed: Option<CommitPosition>,
    /// Position of the last message after `completed`.
    message: Option<Lsn>,
    idle_until: Option<Lsn>,
    open: Option<OpenTransaction>,
    delta: CheckpointDelta,
    /// Events of outboxes that were read by then.
    outbox_events: Option<OutboxCounts>,
    /// Some of the transactions, for observers.
    noted: Vec<NotedTransaction>,
}

impl Uncommitted {
    /// Position that a checkpoint would have now.
    fn position(&self) -> Option<Lsn> {
        self.completed.map(|commit| commit.end_lsn).max(self.idle_until)
    }
}

impl<'a, K: Sink, F: Feedback> Committer<'a, K, F> {
    #[expect(
        clippy::too_many_arguments,
        reason = "called once, with all parts of a session"
    )]
    pub(crate) fn new(
        sink: &'a mut K,
        feedback: F,
        config: &'a DeliveryConfig,
        metrics: &'a Metrics,
        state: &'a ConnectorState,
        retention: Retention,
        heartbeat: Option<Heartbeat>,
        positions: Positions,
        checkpoint: Checkpoint,
    ) -> Self {
        let uncommitted = Uncommitted::default();
        Self {
            sink,
            feedback,
            config,
            metrics,
            state,
            retention,
            heartbeat,
            positions,
            checkpoint,
            uncommitted,
            pace: CommitPace::new(config.commit_interval, Instant::now()),
        }
    }

    /// Writes and commits batches until their sender is dropped; then commits whole transactions, or aborts an open
    /// one.
    pub(crate) async fn run(mut self, mut batches: BatchReceiver) -> Result<(), DeliveryError> {
        if self.positions.confirmed().is_valid() {
            self.feedback.confirm(self.positions.confirmed());
        }
        // An earlier session may have ended between its last commit and the confirmation.
        self.confirm();
        loop {
            let due = self.commit_due();
            let asks_from = self.asks_from();
            let asks = asks_from <= Instant::now();
            let is_pushed = !asks || batches.has_queued();
            // `recv` is cancel-safe. A batch that is ready is taken first: whether a commit is due is checked after
            // each batch.
            let batch = tokio::select! {
                biased;
                batch = batches.recv(asks) => batch,
                () = sleep_until(due) => {
                    self.commit().await?;
                    continue;
                }
                () = tokio::time::sleep_until(asks_from), if !asks => continue,
                halt = self.overdue() => return Err(halt.into()),
            };
            let Some(batch) = batch else { break };
            if is_pushed && !batch.records.is_empty() {
                self.pace.write_in_backlog();
            }
            if batch.open.is_some() && self.holds_only_whole_records() {
                // The completed transactions are committed first, so that they are in Kafka whatever happens to the one
                // that begins here.
                self.commit().await?;
            }
            let records = self.write(batch).await?;
            batches.reuse(records);
            if self.must_commit_now()? {
                self.commit().await?;
            }
        }
        self.finish().await
    }

    async fn write(&mut self, batch: Batch) -> Result<RecordBuffer, DeliveryError> {
        let Batch {
            mut records,
            completed,
            message,
            transactions,
            oldest_commit,
            waits,
            sent_after,
            open,
            idle_until,
            delta,
            outbox_events,
            noted,
        } = batch;
        let uncommitted = &mut self.uncommitted;
        let earlier_message = uncommitted.message.filter(|_| completed.is_none());
        uncommitted.message = message.or(earlier_message);
        uncommitted.completed = completed.or(uncommitted.completed);
        uncommitted.idle_until = idle_until.max(uncommitted.idle_until);
        uncommitted.transactions += transactions;
        uncommitted.open = open;
        uncommitted.delta.add(delta);
        uncommitted.outbox_events = outbox_events.or(uncommitted.outbox_events.take());
        if uncommitted.noted.len() < NOTED_OF_COMMIT {
            uncommitted.noted.extend(noted);
        }
        uncommitted.sent_after = uncommitted.sent_after.max(sent_after);
        uncommitted.oldest_commit = uncommitted
            .oldest_commit
            .or(oldest_commit)
            .or(open.map(|open| open.commit_time));
        self.state.pending.wait_since(uncommitted.oldest_commit);
        if waits {
            self.state.pending.hand_over();
        }
        if let Some(position) = self.uncommitted.position() {
            self.positions.receive(position.max(self.positions.received()));
            self.state.positions.publish(&self.positions);
        }
        if !records.is_empty() {
            let bytes = records.len_bytes();
            self.uncommitted.since.get_or_insert_with(Instant::now);
            self.uncommitted.bytes += bytes;
            trace!(records = records.record_count(), bytes, "batch written");
            records = self.sink.write(records).await.map_err(DeliveryError::Sink)?;
            self.metrics
                .produced_bytes
                .inc_by(u64::try_from(bytes).unwrap_or(u64::MAX));
        }
        if let Some(position) = self.uncommitted.position() {
            self.positions.produce(position.max(self.positions.produced()));
            self.state.positions.publish(&self.positions);
        }
        self.catch_up(&self.uncommitted);
        Ok(records)
    }

    /// Whether a checkpoint would differ from the last one.
    fn advances(&self) -> bool {
        let position = self.uncommitted.position();
        position.is_some_and(|position| position > self.checkpoint.end_lsn)
            || !self.uncommitted.delta.is_empty()
    }

    fn holds_only_whole_records(&self) -> bool {
        self.uncommitted.since.is_some() && self.uncommitted.open.is_none()
    }

    /// Time from which batches are asked for, to be committed at once. The rest of an open transaction is always asked for, because
    /// nothing can be committed before its end.
    fn asks_from(&self) -> Instant {
        match self.uncommitted.open {
            Some(_) => self.pace.last_commit(),
            None => self.next_commit(),
        }
    }

    /// Time from which the next commit may begin.
    fn next_commit(&self) -> Instant {
        let uncommitted = &self.uncommitted;
        let lag = || {
            let oldest = uncommitted.oldest_commit;
            oldest.map(|oldest| age(oldest, PgTimestamp::now()))
        };
        let holds_only_rows_read =
            uncommitted.oldest_commit.is_none() && uncommitted.delta.snapshot.is_some();
        self.pace
            .next_commit(lag, uncommitted.sent_after, holds_only_rows_read)
    }

    /// Time of the next commit if no further batch arrives; `None` while there is nothing to commit, or no whole
    /// transaction.
    fn commit_due(&self) -> Option<Instant> {
        if self.uncommitted.open.is_some() {
            return None;
        }
        let is_waited_for = !self.uncommitted.delta.replies.is_empty();
        if self.uncommitted.since.is_some() || is_waited_for {
            return Some(self.next_commit());
        }
        let advances = self.advances();
        let idle = advances.then(|| self.pace.last_commit() + self.config.idle_interval);
        let heartbeat = self.heartbeat.as_ref().map(Heartbeat::due);
        idle.into_iter().chain(heartbeat).min()
    }

    /// Whether to commit before the next batch is taken.
    fn must_commit_now(&self) -> Result<bool, DeliveryError> {
        let Some(since) = self.uncommitted.since else {
            // A batch without records never hastens a commit, but a steady flow of such batches must not delay one
            // either.
            return Ok(self.commit_due().is_some_and(|due| due <= Instant::now()));
        };
        let Some(open) = self.uncommitted.open else {
            let is_due = self.next_commit() <= Instant::now();
            return Ok(is_due || self.uncommitted.bytes >= self.config.commit_bytes);
        };
        let split = self.config.split_bytes();
        if split.is_some_and(|bytes| self.uncommitted.bytes >= bytes) {
            return Ok(true);
        }
        if since.elapsed() < self.time_limit() {
            return Ok(false);
        }
        Err(self.too_slow(since, open).into())
    }

    /// Completes when the open transaction has exceeded its time limit, even if none of its changes arrive.
    /// Cancel-safe.
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
        let delta = std::mem::take(&mut uncommitted.delta);
        let position = uncommitted
            .position()
            .unwrap_or(self.checkpoint.end_lsn)
            .max(self.checkpoint.end_lsn);
        let written_at = PgTimestamp::now();
        let mut complete_outboxes = delta.outboxes;
        complete_outboxes.extend(self.state.outboxes.take_unstored());
        // After a restart inside a split transaction, the position can advance before the rest of the transaction
        // arrives: the delivered part must stay known.
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
            snapshot: delta.snapshot.unwrap_or(self.checkpoint.snapshot.take()),
            signals_read: delta.signals_read.or(self.checkpoint.signals_read),
            complete_outboxes: outboxes::applied(&self.checkpoint.complete_outboxes, &complete_outboxes),
            written_at_unix_micros: written_at.unix_micros(),
            ..self.checkpoint.clone()
        };
        let enters_history = partial.is_none() && self.retention.is_due(current.written_at_unix_micros);
        let expired = self.retention.expired(self.positions.confirmed());
        let update = CheckpointUpdate {
            current,
            enters_history,
            expired,
            known_tables: delta.known_tables,
            restrictions: delta.restrictions,
            schemas: delta.schemas,
            partitions: delta.partitions,
            quarantines: delta.quarantines,
        };

        if let Some(beat) = self.heartbeat.as_mut().and_then(Heartbeat::beat_if_due) {
            drop(self.sink.write(beat).await.map_err(DeliveryError::Sink)?);
        }
        let begun = Instant::now();
        self.sink.commit(&update).await.map_err(DeliveryError::Sink)?;
        self.pace.commit(Instant::now());
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
        self.state.outboxes.store(&complete_outboxes);
        if let Some(read) = &uncommitted.outbox_events {
            self.state.outboxes.publish(read);
        }
        let noted = std::mem::take(&mut uncommitted.noted);
        self.state.transactions.deliver(noted, PgTimestamp::now());
        self.report(&uncommitted);
        self.confirm();
        delta.replies.into_iter().for_each(|reply| reply());
        Ok(())
    }

    /// Confirms to the slot what a committed checkpoint covers and replay does not retain.
    fn confirm(&mut self) {
        let checkpointed = self.positions.checkpointed();
        let Some(confirmable) = self.retention.confirmable(
            self.positions.confirmed(),
            checkpointed,
            self.checkpoint.written_at_unix_micros,
        ) else {
            return;
        };
        if confirmable > self.positions.confirmed() {
            self.positions.confirm(confirmable);
            self.feedback.confirm(confirmable);
            self.state.positions.publish(&self.positions);
        }
    }

    fn report(&self, uncommitted: &Uncommitted) {
        let position = self.positions.checkpointed();
        self.state.positions.publish(&self.positions);
        self.metrics.transactions.inc_by(uncommitted.transactions);
        let pending = &self.state.pending;
        // An open transaction has been waiting since its own commit.
        pending.wait_since(uncommitted.open.map(|open| open.commit_time));
        let now = PgTimestamp::now();
        if let Some(oldest) = uncommitted.oldest_commit {
            self.metrics
                .delivery_seconds
                .observe(age(oldest, now).as_secs_f64());
        }
        if let Some(commit) = uncommitted.completed.filter(|_| uncommitted.transactions > 0) {
            let commit_time = PgTimestamp::from_unix_micros(commit.commit_time_unix_micros);
            pending.deliver(age(commit_time, now));
        }
        self.catch_up(uncommitted);
        debug!(lsn = %position, transactions = uncommitted.transactions, bytes = uncommitted.bytes, "checkpoint committed");
    }

    /// Records that nothing waits, if the server was idle after the last transaction and everything up to the known end of
    /// its WAL was read. While the connector is behind, keepalives arrive too.
    fn catch_up(&self, last: &Uncommitted) {
        let end_lsn = last.completed.map(|commit| commit.end_lsn);
        let is_idle = last.open.is_none() && last.idle_until.is_some() && last.idle_until >= end_lsn;
        if is_idle && self.state.positions.is_at_server_end() {
            self.state.pending.catch_up();
        }
    }

    /// Ends the session after the last batch.
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
