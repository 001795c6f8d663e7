//! State of each captured table, for observers.
//!
//! The state is derived: what is published from the latest inspection, what is read from the progress of the snapshot, what is
//! quarantined from the quarantines. Each of these is stored or inspected again, so that the state survives a restart.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use walcast_mapper::TableName;

use crate::coverage::{not_published, table_finding};
use crate::halt::Halt;
use crate::quarantine::{Quarantine, Quarantines};
use crate::source_state::{CapturedTable, SourceState};

/// State of a captured table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TableState {
    /// The table is captured, and the connector does not stream at the moment.
    Captured,
    /// Changes of the table do not arrive until an operator has executed SQL.
    WaitingForSql(Halt),
    /// Existing rows of the table remain to be read.
    Reading,
    /// Changes of the table are delivered.
    Streaming,
    /// Changes of the table are skipped.
    Quarantined(Quarantine),
}

impl TableState {
    /// Names of all states.
    pub const WORDS: [&'static str; 5] = [
        "captured",
        "waiting_for_sql",
        "reading",
        "streaming",
        "quarantined",
    ];

    /// Name of the state.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Captured => "captured",
            Self::WaitingForSql(_) => "waiting_for_sql",
            Self::Reading => "reading",
            Self::Streaming => "streaming",
            Self::Quarantined(_) => "quarantined",
        }
    }
}

/// Captured tables and quarantines. Clones share the state.
#[derive(Clone, Debug, Default)]
pub struct TablesState(Arc<Mutex<Tables>>);

#[derive(Debug, Default)]
struct Tables {
    /// Captured tables at the latest inspection, each with the finding that keeps its changes from arriving.
    captured: BTreeMap<TableName, Option<Halt>>,
    quarantined: BTreeMap<TableName, Quarantine>,
}

impl TablesState {
    /// State of each table, by name. `reading`: the tables with rows that remain to be read.
    pub(crate) fn read<'t>(
        &self,
        reading: impl Iterator<Item = &'t TableName>,
        is_streaming: bool,
    ) -> BTreeMap<TableName, TableState> {
        let tables = self.lock();
        let unfinished = match is_streaming {
            true => TableState::Streaming,
            false => TableState::Captured,
        };
        let captured = tables.captured.iter().map(|(table, waits)| {
            let state = waits
                .clone()
                .map_or_else(|| unfinished.clone(), TableState::WaitingForSql);
            (table.clone(), state)
        });
        let mut states: BTreeMap<TableName, TableState> = captured.collect();
        for table in reading {
            match states.get_mut(table) {
                Some(TableState::WaitingForSql(_)) | None => {}
                Some(state) => *state = TableState::Reading,
            }
        }
        let quarantined = tables.quarantined.iter();
        states.extend(quarantined.map(|(table, one)| (table.clone(), TableState::Quarantined(one.clone()))));
        states
    }

    /// Sets the captured tables. `publishes`: whether the connector publishes what is missing.
    pub(crate) fn inspect(&self, source_state: &SourceState, publication: &str, publishes: bool) {
        let captured = source_state.captured.iter();
        self.lock().captured = captured
            .map(|table| {
                let waits = waits_for(table, source_state, publication, publishes);
                (table.name.clone(), waits)
            })
            .collect();
    }

    /// Sets the quarantines.
    pub(crate) fn set_quarantines(&self, quarantines: &Quarantines) {
        let skipping = quarantines.values().filter(|one| one.is_skipping());
        self.lock().quarantined = skipping.map(|one| (one.table.clone(), one.clone())).collect();
    }

    /// Tables whose changes are skipped.
    pub(crate) fn quarantined(&self) -> Vec<TableName> {
        self.lock().quarantined.keys().cloned().collect()
    }

    /// Locks the state. A poisoned lock is ignored: no code panics while holding it, and a display is not worth
    /// stopping the connector.
    fn lock(&self) -> MutexGuard<'_, Tables> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Finding that keeps changes of a table from arriving, or from being distinguished.
fn waits_for(
    table: &CapturedTable,
    source_state: &SourceState,
    publication: &str,
    publishes: bool,
) -> Option<Halt> {
    let is_published = source_state.publishes(&table.name);
    match table_finding(table) {
        // The server rejects updates and deletes of such a table, so that no change is missing.
        Some(
            Halt::NoReplicaIdentity { .. }
            | Halt::GeneratedIdentity { .. }
            | Halt::NoPartitionIdentity { .. },
        )
        | None
            if is_published =>
        {
            None
        }
        Some(finding) => Some(finding),
        None if publishes => None,
        None => Some(not_published(&table.name, publication)),
    }
}

#[cfg(test)]
mod tests;
