//! Quarantines of the running session, with their changes since the last checkpoint.

use walcast_mapper::TableName;
use walcast_pgoutput::{Oid, PgTimestamp};

use super::{
    FirstMissing, Quarantine, QuarantineCause, QuarantinePhase, QuarantineReason, QuarantineRecords,
    Quarantines,
};
use crate::snapshot::progress::{SnapshotProgress, TableProgress};

/// Quarantines of a session.
#[derive(Debug, Default)]
pub(crate) struct CurrentQuarantines {
    pub(super) tables: Quarantines,
    pub(super) changes: QuarantineRecords,
}

impl CurrentQuarantines {
    /// Quarantines by the OID of their table.
    pub(crate) fn tables(&self) -> &Quarantines {
        &self.tables
    }

    /// Whether changes of a table are skipped.
    pub(crate) fn is_skipping(&self, oid: Oid) -> bool {
        self.tables.get(&oid).is_some_and(Quarantine::is_skipping)
    }

    /// Whether changes of a table, given by its name, are skipped.
    pub(crate) fn is_skipping_named(&self, table: &TableName) -> bool {
        let mut skipping = self.tables.values().filter(|one| one.is_skipping());
        skipping.any(|one| one.table == *table)
    }

    /// OID of a table whose quarantine ends once its rows are read.
    pub(crate) fn reading_named(&self, table: &TableName) -> Option<Oid> {
        let mut reading = self.tables.iter().filter(|(_, one)| !one.is_skipping());
        reading.find(|(_, one)| one.table == *table).map(|(oid, _)| *oid)
    }

    /// Quarantines a table. A table that is quarantined again while its rows are read keeps its first missing change: what was
    /// delivered since does not make its topic complete.
    pub(crate) fn enter(
        &mut self,
        oid: Oid,
        table: TableName,
        missing: FirstMissing,
        cause: QuarantineCause,
    ) -> &Quarantine {
        let FirstMissing { since, lsn, of_rows } = missing;
        let entered = Quarantine {
            table: table.clone(),
            since,
            lsn,
            of_rows,
            reason: cause.reason,
            error: cause.error.clone(),
            phase: QuarantinePhase::Skipping,
            entered_at_unix_micros: PgTimestamp::now().unix_micros(),
            missing_since: None,
        };
        let quarantine = self
            .tables
            .entry(oid)
            .and_modify(|known| {
                known.table = table;
                known.reason = cause.reason;
                known.error = cause.error;
                known.phase = QuarantinePhase::Skipping;
                known.of_rows |= of_rows;
            })
            .or_insert(entered);
        self.changes.insert(oid, Some(quarantine.clone()));
        quarantine
    }

    /// Quarantines a table again whose rows were being read.
    pub(crate) fn enter_again(&mut self, oid: Oid, error: String) {
        let Some(quarantine) = self.tables.get_mut(&oid) else {
            return;
        };
        let cause = QuarantineCause::new(QuarantineReason::Rows, error);
        quarantine.reason = cause.reason;
        quarantine.error = cause.error;
        quarantine.phase = QuarantinePhase::Skipping;
        self.changes.insert(oid, Some(quarantine.clone()));
    }

    /// Marks a table as delivered again: its rows are to be read, by the name that it has now.
    pub(crate) fn resume(&mut self, oid: Oid, table: &TableName) {
        if let Some(quarantine) = self.tables.get_mut(&oid) {
            quarantine.table = table.clone();
            quarantine.phase = QuarantinePhase::Reading;
            self.changes.insert(oid, Some(quarantine.clone()));
        }
    }

    /// Gives tables whose rows are being read the names under which they are read. True if a name has changed.
    pub(crate) fn follow_names(&mut self, progress: &SnapshotProgress) -> bool {
        let mut has_changed = false;
        for (oid, quarantine) in self.tables.iter_mut().filter(|(_, one)| !one.is_skipping()) {
            let read = progress
                .tables
                .iter()
                .find(|one| one.is_of(*oid, &quarantine.table));
            if let Some(name) = read
                .map(TableProgress::table)
                .filter(|name| *name != quarantine.table)
            {
                quarantine.table = name;
                self.changes.insert(*oid, Some(quarantine.clone()));
                has_changed = true;
            }
        }
        has_changed
    }

    /// Ends the quarantine of a table, whose rows are read.
    pub(crate) fn end(&mut self, oid: Oid) -> Option<Quarantine> {
        let ended = self.tables.remove(&oid)?;
        self.changes.insert(oid, None);
        Some(ended)
    }

    /// Whether there are changes to be stored.
    #[inline]
    pub(crate) fn has_changes(&self) -> bool {
        !self.changes.is_empty()
    }

    /// Changes that are to be stored with the next checkpoint.
    pub(crate) fn take_changes(&mut self) -> QuarantineRecords {
        std::mem::take(&mut self.changes)
    }
}
