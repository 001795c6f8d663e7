//! The offset of another connector.

use walcast_pgoutput::{Lsn, PgTimestamp, Xid};

/// Offset of another connector.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConnectorOffset {
    /// End of the last transaction that it delivered whole, as far as it stored; `None` if it has seen no end of a transaction
    /// yet: then every transaction that the slot retains comes after it.
    pub delivered_until: Option<Lsn>,
    /// End of the last commit it has seen, which differs only after a snapshot; `None` if it has seen none.
    pub last_commit_end: Option<Lsn>,
    /// Commit time of that transaction, if the offset has it.
    pub committed_at: Option<PgTimestamp>,
    /// Last change that it sent of the next transaction; `None` if it sent none.
    pub within: Option<OffsetChange>,
}

/// Last change that another connector sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OffsetChange {
    /// Its transaction.
    pub xid: Xid,
    /// Position of the change.
    pub lsn: Lsn,
    /// Number of changes at that position that were sent, if the offset has it: rows of one `COPY` share a position.
    pub sent_at_lsn: Option<u64>,
    /// Whether the offset marks the last change at that position.
    pub is_last_at_lsn: bool,
    /// Whether the change is a logical decoding message, which the stream of this connector may not include.
    pub is_message: bool,
    /// Number of changes at that position that are in Kafka with all their records, as an operator counted.
    pub counted_at_lsn: Option<u64>,
}
