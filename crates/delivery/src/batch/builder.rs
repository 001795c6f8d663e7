//! The batch under construction.

use tracing::debug;
use walcast_mapper::{EventCounts, Ordinal, RecordBuffer, Savepoint};
use walcast_pgoutput::{Lsn, PgTimestamp};

use crate::batch::contents::{BATCH_BYTES, Batch, OpenTransaction};
use crate::batch::delta::CheckpointDelta;
use crate::batch::queue::{BatchSender, CommitterGone};
use crate::position::checkpoint::CommitPosition;
use crate::state::outboxes::OutboxesState;
use crate::state::pending::{PendingState, age};
use crate::state::transactions::{NOTED_OF_BATCH, NotedTransaction};
use crate::stream::transactions::Transaction;

/// Appends records to a batch, and alone knows where the batch may be cut: behind the last record that may be committed
/// without the records after it.
///
/// Records and checkpoint changes of an open transaction belong to the batch only once [`BatchBuilder::end`] is called.
pub(crate) struct BatchBuilder {
    batch: Batch,
    /// Savepoint of the last position where the batch may be cut.
    cut: Savepoint,
    open: Option<OpenTransaction>,
    /// Savepoint of the first record in the batch that the open transaction may have.
    open_begin: Savepoint,
    /// When the server sent what is read now, by its clock.
    sent_at: PgTimestamp,
    /// Whether records of the open transaction are part of an earlier batch.
    open_was_sent: bool,
    /// Checkpoint changes of the open transaction.
    open_delta: CheckpointDelta,
    /// Events of the open transaction by table; `None` without transaction metadata.
    counts: Option<EventCounts>,
    batches: BatchSender,
    /// Size at which the batch is full.
    bytes_max: usize,
    /// Events of outboxes that were read.
    outboxes: OutboxesState,
    /// Transactions that wait.
    pending: PendingState,
}

/// Where records are appended.
pub(crate) struct Records<'b> {
    /// Records.
    pub(crate) buffer: &'b mut RecordBuffer,
    /// Events of the transaction by table, where these are counted.
    pub(crate) counts: Option<&'b mut EventCounts>,
}

impl BatchBuilder {
    /// A batch is not larger than the size over which a source transaction is split.
    pub(crate) fn new(counts_events: bool, batches: BatchSender, split_over_bytes: Option<usize>) -> Self {
        let batch = Batch::new(RecordBuffer::new());
        Self {
            cut: batch.records.savepoint(),
            batch,
            open: None,
            open_begin: Savepoint::default(),
            sent_at: PgTimestamp::from_postgres_micros(0),
            open_was_sent: false,
            open_delta: CheckpointDelta::default(),
            counts: counts_events.then(EventCounts::default),
            batches,
            bytes_max: split_over_bytes.map_or(BATCH_BYTES, |bytes| bytes.min(BATCH_BYTES)),
            outboxes: OutboxesState::default(),
            pending: PendingState::default(),
        }
    }

    /// Has the numbers of outbox events that were read sent with each batch, and the transactions of a batch shown as waiting from
    /// when they were read.
    pub(crate) fn observed_by(mut self, outboxes: OutboxesState, pending: PendingState) -> Self {
        self.outboxes = outboxes;
        self.pending = pending;
        self
    }

    /// Whether events are counted by table, for transaction metadata.
    pub(crate) fn counts_events(&self) -> bool {
        self.counts.is_some()
    }

    /// Records when the server sent what is read next, by its clock.
    #[inline]
    pub(crate) fn sent_at(&mut self, sent_at: PgTimestamp) {
        self.sent_at = sent_at;
    }

    /// Begins a transaction.
    pub(crate) fn begin(&mut self, transaction: &Transaction) {
        self.open = Some(OpenTransaction {
            xid: transaction.xid,
            commit_lsn: transaction.commit_lsn,
            commit_time: transaction.commit_time,
            sent_after: age(transaction.commit_time, self.sent_at),
            next_ordinal: Ordinal::default(),
            has_records: false,
        });
        self.open_begin = self.batch.records.savepoint();
        self.open_was_sent = false;
        if let Some(counts) = &mut self.counts {
            counts.clear();
        }
    }

    /// Marks a change of the open transaction as part of the batch, with or without records.
    #[inline]
    pub(crate) fn reach(&mut self, ordinal: Ordinal) {
        if let Some(open) = &mut self.open {
            open.next_ordinal = ordinal.next();
        }
    }

    /// Where records are appended.
    #[inline]
    pub(crate) fn records(&mut self) -> Records<'_> {
        Records {
            buffer: &mut self.batch.records,
            counts: self.counts.as_mut(),
        }
    }

    /// State of the batch, for [`BatchBuilder::roll_back`].
    #[inline]
    pub(crate) fn savepoint(&self) -> Savepoint {
        self.batch.records.savepoint()
    }

    /// Removes the records appended after a savepoint.
    pub(crate) fn roll_back(&mut self, savepoint: Savepoint) {
        self.batch.records.rewind(savepoint);
    }

    /// Marks records of the open transaction as appended.
    #[inline]
    pub(crate) fn has_records(&mut self) {
        if let Some(open) = &mut self.open {
            open.has_records = true;
            if !self.batch.waits {
                self.batch.waits = true;
                self.pending.read(open.commit_time);
            }
        }
    }

    /// Whether the batch is large enough to be flushed.
    #[inline]
    pub(crate) fn is_full(&self) -> bool {
        self.batch.records.len_bytes() >= self.bytes_max
    }

    /// Whether the batch has no records.
    pub(crate) fn is_without_records(&self) -> bool {
        self.batch.records.is_empty()
    }

    /// Ends the open transaction: its records and its checkpoint changes belong to the batch.
    pub(crate) fn end(&mut self, position: CommitPosition) {
        let Some(open) = self.open.take() else { return };
        let was_sent = std::mem::take(&mut self.open_was_sent);
        self.batch.completed = Some(position);
        self.batch.message = None;
        if !self.open_delta.is_empty() {
            self.batch.delta.add(std::mem::take(&mut self.open_delta));
        }
        if open.has_records {
            self.batch.transactions += 1;
            let oldest = self.batch.oldest_commit.get_or_insert(open.commit_time);
            *oldest = (*oldest).min(open.commit_time);
            self.batch.sent_after = self.batch.sent_after.max(open.sent_after);
            if self.batch.noted.len() < NOTED_OF_BATCH {
                let (changes, records) = (open.next_ordinal.as_u64(), &self.batch.records);
                let noted = NotedTransaction::of(position, changes, records, self.open_begin, was_sent);
                self.batch.noted.push(noted);
            }
        }
        self.cut();
    }

    /// Marks the non-transactional message at `lsn` as part of the batch.
    pub(crate) fn message(&mut self, lsn: Lsn) {
        self.batch.message = Some(lsn);
        self.cut();
    }

    /// Marks the WAL up to `lsn` as delivered; no transaction is open.
    pub(crate) fn idle(&mut self, lsn: Lsn) {
        self.batch.idle_until = self.batch.idle_until.max(Some(lsn));
    }

    /// Allows the batch to be cut here, unless a transaction is open.
    pub(crate) fn cut(&mut self) {
        if self.open.is_none() {
            self.cut = self.batch.records.savepoint();
            self.batch.outbox_events = self.outboxes.events_read().or(self.batch.outbox_events.take());
        }
    }

    /// Checkpoint changes: those of the open transaction, if there is one.
    pub(crate) fn delta(&mut self) -> &mut CheckpointDelta {
        match self.open {
            Some(_) => &mut self.open_delta,
            None => &mut self.batch.delta,
        }
    }

    /// Sends what may be committed, if the committer waits for it. Records of the open transaction remain in the batch until it is
    /// full or the transaction ends, because a part of a transaction brings no commit nearer.
    pub(crate) async fn offer(&mut self) -> Result<(), CommitterGone> {
        if self.batches.is_wanted() && self.batch.holds_whole() {
            self.send_whole().await?;
        }
        Ok(())
    }

    /// Completes when [`BatchBuilder::offer`] would send a batch. Cancel-safe.
    pub(crate) async fn wanted(&self) {
        if self.batch.holds_whole() {
            self.batches.wanted().await;
        } else {
            std::future::pending().await
        }
    }

    /// Sends the batch to the committer, if it holds anything, and begins the next.
    ///
    /// The beginning of a transaction is sent apart from the whole transactions before it, so that these can be committed
    /// whatever happens to it. It is sent only once it fills a batch by itself: the committer commits what precedes it, and a batch
    /// that happens to end within a small transaction must not cost a commit.
    pub(crate) async fn flush(&mut self) -> Result<(), CommitterGone> {
        let open = self.open.filter(|open| open.has_records);
        if open.is_some() && !self.open_was_sent && self.batch.holds_whole() {
            self.send_whole().await?;
            if !self.is_full() {
                return Ok(());
            }
        }
        if self.batch.is_empty() {
            return Ok(());
        }
        let next = Batch::new(self.batches.buffer());
        let mut batch = std::mem::replace(&mut self.batch, next);
        self.cut = self.batch.records.savepoint();
        self.open_begin = Savepoint::default();
        if open.is_some() {
            // The part of the transaction may be committed without its rest. A change that is skipped in it is not streamed again,
            // so the reason is committed with the part.
            let quarantines = std::mem::take(&mut self.open_delta.quarantines);
            batch.delta.quarantines.extend(quarantines);
        }
        batch.open = open;
        self.open_was_sent |= open.is_some();
        self.batches.send(batch).await
    }

    /// Sends the batch up to the last position where it may be cut. The rest is the beginning of the next batch.
    async fn send_whole(&mut self) -> Result<(), CommitterGone> {
        let mut next = Batch::new(self.batches.buffer());
        self.batch.records.split_off(self.cut, &mut next.records);
        if let Some(open) = self.open
            && !next.records.is_empty()
        {
            next.waits = true;
            self.pending.read(open.commit_time);
        }
        let mut whole = std::mem::replace(&mut self.batch, next);
        // Of a transaction that was sent in part, nothing may be committed before its end.
        whole.open = self.open.filter(|_| self.open_was_sent);
        self.cut = Savepoint::default();
        self.open_begin = Savepoint::default();
        self.batches.send(whole).await
    }

    /// Removes what may not be committed yet, and sends the rest. The stream sends the open transaction again.
    pub(crate) async fn finish(&mut self) -> Result<(), CommitterGone> {
        self.batch.records.rewind(self.cut);
        self.open_delta = CheckpointDelta::default();
        if !self.open_was_sent {
            self.open = None;
        }
        debug!(open = self.open.is_some(), "reading has ended");
        self.flush().await
    }

    /// Ends when the committer has. Cancel-safe.
    pub(crate) async fn closed(&self) {
        self.batches.closed().await;
    }
}
