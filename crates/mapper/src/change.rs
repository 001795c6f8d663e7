//! One change of one row, and where it stands in the log.

use std::fmt;

use walcast_pgoutput::{Lsn, OldTuple, PgTimestamp, Tuple, Xid};

/// What happened to a row (or to a whole table), borrowed from the message that told it.
#[derive(Clone, Copy, Debug)]
pub enum RowChange<'a> {
    /// The row is new.
    Insert {
        /// Its values.
        new: Tuple<'a>,
    },
    /// The row changed.
    Update {
        /// Its former values, as far as the replica identity tells.
        old: Option<OldTuple<'a>>,
        /// Its values.
        new: Tuple<'a>,
    },
    /// The row is gone.
    Delete {
        /// Its former values, as far as the replica identity tells.
        old: OldTuple<'a>,
    },
}

/// The number of a change in its source transaction, from 0, counted over everything the log sends of it, before any
/// filter: a change keeps its number whatever the configuration.
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

/// The identity of a record, the same whenever the change is read from the log again; sent as header `walcast.id`.
///
/// Printed as `<commit_lsn>/<ordinal>`; a change that makes more than one record (a delete and its tombstone, a moved
/// primary key, several tables emptied at once) numbers the further ones `.1`, `.2`. A message outside of any transaction
/// has its own position for the commit's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RecordId {
    /// Where the transaction's commit record lies.
    pub commit_lsn: Lsn,
    /// Which change of the transaction.
    pub ordinal: Ordinal,
    /// Which record of the change, from 0.
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

/// Where a change stands: what the envelope's `source` block and the record's identity are made of.
#[derive(Clone, Copy, Debug)]
pub struct ChangeContext {
    /// The transaction.
    pub xid: Xid,
    /// Where its commit record lies.
    pub commit_lsn: Lsn,
    /// When it was committed: `source.ts_ms`, `ts_us`, `ts_ns`.
    pub commit_time: PgTimestamp,
    /// Where the change itself lies (`XLogData.wal_start`): `source.lsn` and the second half of `source.sequence`.
    pub lsn: Lsn,
    /// Its number in the transaction.
    pub ordinal: Ordinal,
    /// Where the transaction before this one ended: the first half of `source.sequence`; `None` when that is unknown.
    pub previous_commit_end: Option<Lsn>,
    /// Our own clock, nanoseconds since 1970: the envelope's `ts_ms`, `ts_us`, `ts_ns`.
    pub processed_at_unix_nanos: i64,
}
