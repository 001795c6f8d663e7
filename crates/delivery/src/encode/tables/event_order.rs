//! Order in which the rows of an event store are read.

use walcast_mapper::TableName;

use crate::encode::ports::EncodePorts;
use crate::encode::tables::TableEncoder;

impl<E: EncodePorts> TableEncoder<'_, E> {
    /// Column by which the rows of a table are read in order; `None` for a table that is not an event store, or has no such column.
    pub(crate) fn event_order(&self, table: &TableName) -> Option<String> {
        let rule = self.config.event_store_of(table)?;
        rule.sequence_column().map(ToOwned::to_owned)
    }
}
