//! Tables whose changes were delivered before: they are mapped again where another schema began.

use walcast_pgoutput::Oid;

use super::Table;
use crate::encode::ports::EncodePorts;
use crate::encode::tables::TableEncoder;
use crate::schema_history::ChangePosition;

impl<E: EncodePorts> TableEncoder<'_, E> {
    /// First change after this one that was encoded with another schema of the table.
    pub(crate) fn next_schema_after(&self, table: Oid, at: ChangePosition) -> Option<ChangePosition> {
        self.history.next_schema_after(table, at)
    }

    /// Forgets the plan of a table, which is made again for its next change.
    pub(crate) fn forget_plan(&mut self, table: Oid) {
        match self.known.remove(&table) {
            Some(Table::Captured(captured)) => {
                self.known.insert(table, Table::Named(captured.relation));
            }
            // No record could be made under the schema before.
            Some(Table::Refused(refused)) => {
                self.known.insert(table, Table::Named(refused.relation));
            }
            Some(other) => {
                self.known.insert(table, other);
            }
            None => {}
        }
    }
}
