//! The part of an event that is the same in every shape: its origin, its identity and the time of processing.

use walcast_pgoutput::{Lsn, Oid};

use crate::change::{ChangeContext, RecordId};
use crate::read::{MissingRowContext, ReadContext, RowId};
use crate::snapshot_marker::SnapshotMarker;
use crate::source::Origin;
use crate::transaction_context::TransactionContext;

/// Origin, identity and time of processing of an event.
#[derive(Clone, Copy, Debug)]
pub(crate) struct EventContext<'o> {
    pub(crate) origin: Origin<'o>,
    pub(crate) identity: Identity,
    /// Context of the transaction of a change; a row that is read has none.
    pub(crate) transaction_context: Option<&'o TransactionContext>,
    pub(crate) processed_at_unix_nanos: i64,
}

/// Identity of a record, sent as header `walcast.id`.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Identity {
    Change(RecordId),
    Read {
        lsn: Lsn,
        row: RowId,
    },
    MissingRow {
        lsn: Lsn,
        table: Oid,
        number: u32,
        part: u32,
    },
}

impl Identity {
    /// Sets the number of the record among those of its change; a row that was read has one record.
    pub(crate) fn set_part(&mut self, part: u32) {
        match self {
            Self::Change(id) => id.part = part,
            Self::MissingRow { part: own, .. } => *own = part,
            Self::Read { .. } => {}
        }
    }
}

impl<'o> From<&ChangeContext<'o>> for EventContext<'o> {
    fn from(context: &ChangeContext<'o>) -> Self {
        Self {
            origin: Origin {
                xid: Some(context.xid),
                commit_time: context.commit_time,
                lsn: context.lsn,
                previous_commit_end: context.previous_commit_end,
                snapshot: SnapshotMarker::None,
                replication: context.origin,
            },
            identity: Identity::Change(RecordId {
                commit_lsn: context.commit_lsn,
                ordinal: context.ordinal,
                part: 0,
            }),
            transaction_context: context.transaction_context,
            processed_at_unix_nanos: context.processed_at_unix_nanos,
        }
    }
}

impl From<&ReadContext> for EventContext<'_> {
    fn from(context: &ReadContext) -> Self {
        Self {
            origin: Origin::of_snapshot(context.lsn, context.fixed_at, context.marker),
            identity: Identity::Read {
                lsn: context.lsn,
                row: context.row,
            },
            transaction_context: None,
            processed_at_unix_nanos: context.processed_at_unix_nanos,
        }
    }
}

impl From<&MissingRowContext> for EventContext<'_> {
    fn from(context: &MissingRowContext) -> Self {
        Self {
            origin: Origin::of_snapshot(context.lsn, context.fixed_at, SnapshotMarker::Incremental),
            identity: Identity::MissingRow {
                lsn: context.lsn,
                table: context.table,
                number: context.number,
                part: 0,
            },
            transaction_context: None,
            processed_at_unix_nanos: context.processed_at_unix_nanos,
        }
    }
}
