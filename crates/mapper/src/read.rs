//! A row that was read from its table, and what its record has in common with that of a change.

use walcast_pgoutput::{Lsn, Oid, PgTimestamp, Tid};

use crate::source::Origin;
use crate::{ChangeContext, RecordId};

/// Where a row was read: what the `source` block and the record's identity are made of.
#[derive(Clone, Copy, Debug)]
pub struct ReadContext {
    /// The row is as the transactions committed before this position left it: `source.lsn`.
    pub lsn: Lsn,
    /// When that state was fixed: `source.ts_ms`, `ts_us`, `ts_ns`.
    pub fixed_at: PgTimestamp,
    /// Its place among the rows that are read.
    pub mark: SnapshotMark,
    /// Which row it is.
    pub row: RowId,
    /// Our own clock, nanoseconds since 1970: the envelope's `ts_ms`, `ts_us`, `ts_ns`.
    pub processed_at_unix_nanos: i64,
}

/// A key that no row has, found where rows were read: of a row whose delete, or whose move to another key, was not delivered.
#[derive(Clone, Copy, Debug)]
pub struct GoneContext {
    /// As the transactions committed before this position left the table, no row has the key.
    pub lsn: Lsn,
    /// When that state was fixed.
    pub fixed_at: PgTimestamp,
    /// The table.
    pub table: Oid,
    /// The key's number among those that were looked for.
    pub number: u32,
    /// Our own clock, nanoseconds since 1970.
    pub processed_at_unix_nanos: i64,
}

/// A row at the position where it was read: the table's number and the row's place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RowId {
    /// The table.
    pub table: Oid,
    /// The place.
    pub tid: Tid,
}

/// What `source.snapshot` says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SnapshotMark {
    /// A change, read from the log.
    #[default]
    None,
    /// A row like others.
    Row,
    /// The first of all.
    First,
    /// The first of its table.
    FirstInTable,
    /// The last of its table.
    LastInTable,
    /// The last of all.
    Last,
    /// A row that was asked for while changes were streamed.
    Incremental,
}

impl SnapshotMark {
    /// All of them, in the order of their numbers.
    pub(crate) const ALL: [Self; 7] = [
        Self::None,
        Self::Row,
        Self::First,
        Self::FirstInTable,
        Self::LastInTable,
        Self::Last,
        Self::Incremental,
    ];

    /// Debezium's word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "false",
            Self::Row => "true",
            Self::First => "first",
            Self::FirstInTable => "first_in_data_collection",
            Self::LastInTable => "last_in_data_collection",
            Self::Last => "last",
            Self::Incremental => "incremental",
        }
    }
}

/// What every record of a row says beside the row.
#[derive(Clone, Copy, Debug)]
pub(crate) struct EventContext {
    pub(crate) origin: Origin,
    pub(crate) identity: Identity,
    pub(crate) processed_at_unix_nanos: i64,
}

/// What a record is recognized by.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Identity {
    Change(RecordId),
    Read {
        lsn: Lsn,
        row: RowId,
    },
    Gone {
        lsn: Lsn,
        table: Oid,
        number: u32,
        part: u32,
    },
}

impl Identity {
    /// Which record of its change it is; a row that was read makes one.
    pub(crate) fn set_part(&mut self, part: u32) {
        match self {
            Self::Change(id) => id.part = part,
            Self::Gone { part: own, .. } => *own = part,
            Self::Read { .. } => {}
        }
    }
}

impl From<&ChangeContext> for EventContext {
    fn from(context: &ChangeContext) -> Self {
        Self {
            origin: Origin {
                xid: Some(context.xid),
                commit_time: context.commit_time,
                lsn: context.lsn,
                previous_commit_end: context.previous_commit_end,
                snapshot: SnapshotMark::None,
            },
            identity: Identity::Change(RecordId {
                commit_lsn: context.commit_lsn,
                ordinal: context.ordinal,
                part: 0,
            }),
            processed_at_unix_nanos: context.processed_at_unix_nanos,
        }
    }
}

impl From<&ReadContext> for EventContext {
    fn from(context: &ReadContext) -> Self {
        Self {
            origin: Origin::of_snapshot(context.lsn, context.fixed_at, context.mark),
            identity: Identity::Read {
                lsn: context.lsn,
                row: context.row,
            },
            processed_at_unix_nanos: context.processed_at_unix_nanos,
        }
    }
}

impl From<&GoneContext> for EventContext {
    fn from(context: &GoneContext) -> Self {
        Self {
            origin: Origin::of_snapshot(context.lsn, context.fixed_at, SnapshotMark::Incremental),
            identity: Identity::Gone {
                lsn: context.lsn,
                table: context.table,
                number: context.number,
                part: 0,
            },
            processed_at_unix_nanos: context.processed_at_unix_nanos,
        }
    }
}
