//! A change of a row, or a row that was read, as an event.

use walcast_pgoutput::{Lsn, Xid};

use crate::event_context::EventContext;
use crate::event_counts::EventOrder;
use crate::op::Op;
use crate::row::Row;

/// An event of one row, before it has a shape and an encoding.
#[derive(Clone, Copy)]
pub(crate) struct RowEvent<'r, 'a> {
    pub(crate) op: Op,
    pub(crate) before: Option<&'r Row<'a>>,
    pub(crate) after: Option<&'r Row<'a>>,
    pub(crate) context: &'r EventContext<'r>,
    /// Number of the event in its transaction; `None` without transaction metadata.
    pub(crate) order: Option<EventOrder>,
}

impl RowEvent<'_, '_> {
    /// Contents of the block `transaction`; `None` without transaction metadata and for rows that were read.
    pub(crate) fn transaction(&self) -> Option<(Xid, Lsn, EventOrder)> {
        let origin = &self.context.origin;
        let (xid, order) = origin.xid.zip(self.order)?;
        Some((xid, origin.lsn, order))
    }
}
