//! What a batch holds.

use std::time::Duration;

use walcast_mapper::{Ordinal, RecordBuffer};
use walcast_pgoutput::{Lsn, PgTimestamp, Xid};

use crate::batch::delta::CheckpointDelta;
use crate::position::checkpoint::CommitPosition;
use crate::state::outboxes::OutboxCounts;
use crate::state::transactions::NotedTransaction;

/// Size at which a batch is sent on: small enough to keep memory flat and the producer busy while the next batch is encoded, large
/// enough that the hand-over costs nothing.
pub(crate) const BATCH_BYTES: usize = 256 * 1024;

/// Batches that may wait between ingest and committer. With [`BATCH_BYTES`] this bounds the queue in bytes; one huge row makes
/// one batch larger than that.
pub(crate) const BATCHES_QUEUED_MAX: usize = 4;

/// Stretch of the stream, encoded.
#[derive(Debug)]
pub(crate) struct Batch {
    /// Records of whole transactions, then possibly of the beginning of one more.
    pub(crate) records: RecordBuffer,
    /// Last transaction that ended in the stretch, with or without records.
    pub(crate) completed: Option<CommitPosition>,
    /// Last non-transactional message after `completed`.
    pub(crate) message: Option<Lsn>,
    /// Number of transactions with records that ended in the stretch.
    pub(crate) transactions: u64,
    /// Commit time of the oldest transaction with records in the stretch.
    pub(crate) oldest_commit: Option<PgTimestamp>,
    /// Whether observers know that a transaction of the stretch waits.
    pub(crate) waits: bool,
    /// How long after their commits the server sent transactions with records, at most. Both times are of the server's clock.
    pub(crate) sent_after: Duration,
    /// Transaction that has not ended yet.
    pub(crate) open: Option<OpenTransaction>,
    /// Position up to which the WAL holds nothing to deliver; only when no transaction is open.
    pub(crate) idle_until: Option<Lsn>,
    /// Further changes of the checkpoint that covers the batch.
    pub(crate) delta: CheckpointDelta,
    /// Numbers of outbox events that were read up to the end of the last whole transaction; `None`: as before.
    pub(crate) outbox_events: Option<OutboxCounts>,
    /// First transactions with records that ended in the stretch, for observers.
    pub(crate) noted: Vec<NotedTransaction>,
}

impl Batch {
    pub(crate) fn new(records: RecordBuffer) -> Self {
        Self {
            records,
            completed: None,
            message: None,
            transactions: 0,
            oldest_commit: None,
            waits: false,
            sent_after: Duration::ZERO,
            open: None,
            idle_until: None,
            delta: CheckpointDelta::default(),
            outbox_events: None,
            noted: Vec::new(),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.records.is_empty() && !self.holds_whole()
    }

    /// Whether the batch holds anything that may be committed.
    pub(crate) fn holds_whole(&self) -> bool {
        self.completed.is_some()
            || self.message.is_some()
            || self.idle_until.is_some()
            || !self.delta.is_empty()
    }
}

/// Transaction whose end has not been read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct OpenTransaction {
    pub(crate) xid: Xid,
    pub(crate) commit_lsn: Lsn,
    pub(crate) commit_time: PgTimestamp,
    /// How long after its commit the server sent the transaction.
    pub(crate) sent_after: Duration,
    /// Number of the next change.
    pub(crate) next_ordinal: Ordinal,
    /// Whether a record of the transaction was written.
    pub(crate) has_records: bool,
}
