//! A change of one row, and its position in the WAL.

use std::fmt;

use walcast_pgoutput::{Lsn, OldTuple, PgTimestamp, Tuple, Xid};

use crate::transaction_context::TransactionContext;

/// A change of a row, borrowed from the message that carries it.
#[derive(Clone, Copy, Debug)]
pub enum RowChange<'a> {
    /// The row was inserted.
    Insert {
        /// The inserted row.
        new: Tuple<'a>,
    },
    /// The row was updated.
    Update {
        /// The row before the update, as far as the replica identity covers it.
        old: Option<OldTuple<'a>>,
        /// The row after the update.
        new: Tuple<'a>,
    },
    /// The row was deleted.
    Delete {
        /// The row before the delete, as far as the replica identity covers it.
        old: OldTuple<'a>,
    },
}

/// Number of a change in its source transaction, from 0, counted over all changes that the server sends and before any
/// filter: a change has the same ordinal under every configuration.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ordinal(u64);

impl Ordinal {
    /// Wraps a number counted from 0.
    #[must_use]
    pub const fn new(number: u64) -> Self {
        Self(number)
    }

    /// The number, for machines.
    #[must_use]
    pub const fn as_u64(self) -> u64 {
        self.0
    }

    /// The ordinal of the change after this one.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl fmt::Display for Ordinal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// Identity of a record, sent as header `walcast.id`. A change that is read from the WAL again has the same identity.
///
/// Printed as `<commit_lsn>/<ordinal>`. A change with more than one record (a delete with its tombstone, a changed
/// primary key, several tables truncated at once) numbers the further records `.1`, `.2`. A non-transactional message
/// has its own LSN in place of the commit LSN.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RecordId {
    /// Position of the transaction's commit record.
    pub commit_lsn: Lsn,
    /// Number of the change in its transaction.
    pub ordinal: Ordinal,
    /// Number of the record among those of its change, from 0.
    pub part: u32,
}

impl fmt::Display for RecordId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.commit_lsn, self.ordinal)?;
        match self.part {
            0 => Ok(()),
            part => write!(f, ".{part}"),
        }
    }
}

/// Replication origin of a transaction that was not committed here first: a subscription, or another program that replays changes,
/// has named where they come from (`pg_replication_origin`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplicationOrigin {
    /// Name of the origin: `source.origin`.
    pub name: String,
    /// Position of the transaction at the origin, 0/0 if the program gave none: `source.origin_lsn`.
    pub lsn: Lsn,
}

/// Position of a change, from which the envelope's `source` block and the record's identity are made.
#[derive(Clone, Copy, Debug)]
pub struct ChangeContext<'o> {
    /// The transaction.
    pub xid: Xid,
    /// Position of the commit record.
    pub commit_lsn: Lsn,
    /// Commit time: `source.ts_ms`, `ts_us`, `ts_ns`.
    pub commit_time: PgTimestamp,
    /// Position of the change itself (`XLogData.wal_start`): `source.lsn` and the second half of `source.sequence`.
    pub lsn: Lsn,
    /// Number of the change in its transaction.
    pub ordinal: Ordinal,
    /// End of the previous transaction: the first half of `source.sequence`; `None` when it is unknown.
    pub previous_commit_end: Option<Lsn>,
    /// Replication origin of the transaction; `None` for a transaction of this server.
    pub origin: Option<&'o ReplicationOrigin>,
    /// Context that the application gave the transaction before this change.
    pub transaction_context: Option<&'o TransactionContext>,
    /// Local clock, nanoseconds since 1970: the envelope's `ts_ms`, `ts_us`, `ts_ns`.
    pub processed_at_unix_nanos: i64,
}
