//! Output of encoding: tables and batch.

use crate::batch::builder::BatchBuilder;
use crate::encode::ports::EncodePorts;
use crate::encode::tables::TableEncoder;

/// Tables of a session and the batch to which their records are appended.
pub(crate) struct Output<'a, E: EncodePorts> {
    pub(crate) tables: TableEncoder<'a, E>,
    pub(crate) batch: BatchBuilder,
}

impl<E: EncodePorts> Output<'_, E> {
    /// Has schemas with which rows were encoded for the first time stored with the rows.
    #[inline]
    pub(crate) fn store_schemas(&mut self) {
        if self.tables.history.has_changes() {
            let changes = self.tables.history.take_changes();
            self.batch.delta().schemas.extend(changes);
        }
    }

    /// Has changes of quarantines stored.
    pub(crate) fn store_quarantines(&mut self) {
        let changes = self.tables.quarantines.take_changes();
        self.batch.delta().quarantines.extend(changes);
    }
}
