//! What travels from intake to shipper.

use walcast_mapper::{Batch, Ordinal};
use walcast_pgoutput::{Lsn, PgTimestamp, Xid};

use crate::CommitMark;
use crate::notes::Notes;

/// A parcel is sent on when it holds this many bytes: small enough to keep memory flat and the producer busy while the
/// next one is encoded, large enough that the hand-over costs nothing.
pub(crate) const PARCEL_BYTES: usize = 256 * 1024;

/// Parcels that wait between intake and shipper. With [`PARCEL_BYTES`] this bounds the queue in bytes; one huge row makes
/// one parcel larger than that.
pub(crate) const PARCELS_QUEUED_MAX: usize = 4;

/// A stretch of the stream, encoded.
#[derive(Debug)]
pub(crate) struct Parcel {
    /// Records of whole transactions, then possibly of the beginning of one more.
    pub(crate) batch: Batch,
    /// The last transaction that ended in the stretch, with or without records.
    pub(crate) completed: Option<CommitMark>,
    /// The last message outside of any transaction that was written after `completed`.
    pub(crate) message: Option<Lsn>,
    /// How many transactions with records ended in the stretch.
    pub(crate) transactions: u64,
    /// When the oldest transaction with records in the stretch was committed.
    pub(crate) oldest_commit: Option<PgTimestamp>,
    /// The transaction that is not at its end yet.
    pub(crate) open: Option<OpenTransaction>,
    /// The log holds nothing for us up to here; only when no transaction is open.
    pub(crate) idle_until: Option<Lsn>,
    /// What else is to be in the checkpoint after the batch.
    pub(crate) notes: Notes,
}

impl Parcel {
    pub(crate) fn new(batch: Batch) -> Self {
        Self {
            batch,
            completed: None,
            message: None,
            transactions: 0,
            oldest_commit: None,
            open: None,
            idle_until: None,
            notes: Notes::default(),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.batch.is_empty()
            && self.completed.is_none()
            && self.idle_until.is_none()
            && self.notes.is_empty()
    }
}

/// A transaction whose end has not been read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct OpenTransaction {
    pub(crate) xid: Xid,
    pub(crate) commit_lsn: Lsn,
    pub(crate) commit_time: PgTimestamp,
    /// The number of the change that comes next.
    pub(crate) next_ordinal: Ordinal,
    /// Whether a record of it was written.
    pub(crate) has_records: bool,
}
