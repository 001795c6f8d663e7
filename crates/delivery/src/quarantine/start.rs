//! Quarantines at the start of a session: the stored ones, as far as they hold at the position from which it continues.

use std::collections::BTreeSet;

use tracing::warn;
use walcast_mapper::TableName;
use walcast_pgoutput::{Lsn, Oid};

use super::current::CurrentQuarantines;
use super::{Quarantines, TableQuarantined};
use crate::describe::Describe;
use crate::schema_history::ChangePosition;
use crate::snapshot::progress::{SnapshotProgress, TableProgress};

/// What is known when a session starts.
pub(crate) struct AtStart<'a> {
    /// Captured tables.
    pub(crate) captured: &'a BTreeSet<Oid>,
    /// Position up to which the slot is confirmed.
    pub(crate) confirmed: Lsn,
    /// End of WAL.
    pub(crate) end_of_wal: Lsn,
}

impl CurrentQuarantines {
    /// Stored quarantines that hold. `is_passed`: whether the checkpoint has passed a change.
    ///
    /// A quarantine whose first missing change is still to be streamed, after the connector was moved to an earlier position, is
    /// dropped: nothing was skipped at that position, and the change may be deliverable now. That of a table that is not captured
    /// any more is dropped once its changes are.
    pub(crate) fn at_start(
        stored: Quarantines,
        is_passed: impl Fn(ChangePosition) -> bool,
        start: &AtStart<'_>,
    ) -> Self {
        let mut current = Self::default();
        for (oid, mut quarantine) in stored {
            let is_gone = quarantine
                .missing_since
                .is_some_and(|since| since <= start.confirmed);
            let is_captured = start.captured.contains(&oid);
            let holds = quarantine.of_rows || is_passed(quarantine.since);
            if !holds || is_gone && !is_captured {
                current.changes.insert(oid, None);
                continue;
            }
            let missing_since = match is_captured {
                true => None,
                false => quarantine.missing_since.or(Some(start.end_of_wal)),
            };
            if missing_since != quarantine.missing_since {
                quarantine.missing_since = missing_since;
                current.changes.insert(oid, Some(quarantine.clone()));
            }
            current.tables.insert(oid, quarantine);
        }
        current
    }

    /// Logs which tables are quarantined.
    pub(crate) fn log(&self, describe: Describe) {
        for quarantine in self.tables.values().filter(|one| one.is_skipping()) {
            warn!(
                relation = %quarantine.table,
                since = %quarantine.since,
                reason = quarantine.reason.as_str(),
                error = describe.error(&TableQuarantined::from(quarantine)),
                "table is quarantined: its changes are skipped"
            );
        }
    }

    /// Reconciles quarantines and the rows that remain to be read: no row of a quarantined table is read, and a table whose rows
    /// were requested to be read, and are not any more, is quarantined again. True if the progress was changed.
    pub(crate) fn reconcile(&mut self, progress: &mut SnapshotProgress) -> bool {
        let before = progress.tables.len();
        self.follow_names(progress);
        let is_skipped = |read: &TableProgress| {
            let mut skipping = self.tables.iter().filter(|(_, one)| one.is_skipping());
            skipping.any(|(oid, one)| read.is_of(*oid, &one.table))
        };
        let unread = progress.tables.iter().filter(|read| is_skipped(read));
        let unread: Vec<TableName> = unread.map(TableProgress::table).collect();
        unread.iter().for_each(|table| progress.forget(table));
        let is_read = |oid: Oid, table: &TableName| progress.tables.iter().any(|read| read.is_of(oid, table));
        let reading = self.tables.iter().filter(|(_, one)| !one.is_skipping());
        let dropped = reading.filter(|(oid, one)| !is_read(**oid, &one.table));
        let dropped: Vec<Oid> = dropped.map(|(oid, _)| *oid).collect();
        for oid in dropped {
            self.enter_again(oid, READING_STOPPED.to_owned());
        }
        progress.tables.len() != before
    }
}

/// Error of a table that is quarantined again because its rows are not to be read any more.
pub(crate) const READING_STOPPED: &str = "reading the rows of the table was stopped";

#[cfg(test)]
mod tests;
