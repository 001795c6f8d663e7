//! Tables that are set aside while the session runs: their changes are counted and skipped.

use tracing::error;
use walcast_mapper::TableName;
use walcast_pgoutput::{Lsn, Oid, Relation};

use super::counters::OperationCounters;
use super::skipped::QuarantinedRelation;
use super::{Table, TableEncoder};
use crate::encode::dead_letters::config::OnError;
use crate::encode::encode_error::EncodeError;
use crate::encode::ports::EncodePorts;
use crate::quarantine::{FirstMissing, QuarantineCause, TableQuarantined};

impl<E: EncodePorts> TableEncoder<'_, E> {
    /// Action for undeliverable changes of a table.
    pub(crate) fn action(&self, table: &TableName) -> OnError {
        self.dead_letters.action(table)
    }

    /// Entry of a table whose changes are skipped.
    pub(super) fn quarantined(&self, relation: Relation) -> Table {
        let skipped = OperationCounters::new(&self.metrics.quarantined_changes, &TableName::from(&relation));
        Table::Quarantined(Box::new(QuarantinedRelation { relation, skipped }))
    }

    /// Quarantines the table of a change, which is the first that is skipped.
    #[cold]
    pub(super) fn quarantine_from(&mut self, oid: Oid, missing: FirstMissing, cause: QuarantineCause) {
        let Some(table) = self.name_of(oid) else { return };
        self.quarantine(oid, table, missing, cause);
    }

    /// Quarantines the table of rows that cannot be mapped.
    #[cold]
    pub(super) fn quarantine_rows(
        &mut self,
        oid: Oid,
        table: &TableName,
        lsn: Lsn,
        fault: EncodeError,
    ) -> EncodeError {
        let Some(cause) = fault.quarantine_cause(self.dead_letters.describe) else {
            return fault;
        };
        self.quarantine(oid, table.clone(), FirstMissing::of_snapshot(lsn), cause);
        EncodeError::Quarantined
    }

    /// Quarantines a table: no change of it is encoded from now on.
    pub(crate) fn quarantine(
        &mut self,
        oid: Oid,
        table: TableName,
        missing: FirstMissing,
        cause: QuarantineCause,
    ) {
        let quarantine = self.quarantines.enter(oid, table, missing, cause);
        error!(
            relation = %quarantine.table,
            since = %quarantine.since,
            lsn = %missing.lsn,
            reason = quarantine.reason.as_str(),
            error = self.dead_letters.describe.error(&TableQuarantined::from(quarantine)),
            "table is quarantined: its changes are skipped until it is resumed; the other tables are delivered"
        );
        self.skip(oid);
    }

    /// Quarantines a table again whose rows were being read.
    pub(crate) fn quarantine_again(&mut self, oid: Oid, error: String) {
        self.quarantines.enter_again(oid, error);
        if let Some(quarantine) = self.quarantines.tables().get(&oid) {
            error!(
                relation = %quarantine.table,
                since = %quarantine.since,
                error = self.dead_letters.describe.error(&TableQuarantined::from(quarantine)),
                "table is quarantined again: its rows were not read to the end"
            );
        }
        self.skip(oid);
    }

    /// Has changes of a table skipped.
    fn skip(&mut self, oid: Oid) {
        if let Some(relation) = self.relation(oid).cloned() {
            let table = self.quarantined(relation);
            self.known.insert(oid, table);
        }
    }

    /// Has changes of a quarantined table encoded again.
    pub(crate) fn resume(&mut self, oid: Oid, table: &TableName) {
        self.quarantines.resume(oid, table);
        self.streams.forget(oid);
        if let Some(relation) = self.relation(oid).cloned() {
            self.known.insert(oid, Table::Named(relation));
        }
    }
}
