//! State of each captured table, as `/status` reports it.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use walcast_delivery::{ChangePosition, ConnectorState, Quarantine, TableQuarantined, TableState};
use walcast_mapper::TableName;

use crate::remedy::describe;

/// Maximum number of tables in a response: those that need attention first.
const TABLES_SHOWN: usize = 1000;

/// State of a captured table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct TableReport {
    pub(crate) table: String,
    /// Pattern that matches the table alone. It is for commands, and no part of `/status`.
    #[serde(skip)]
    pub(crate) pattern: String,
    /// `captured`, `waiting_for_sql`, `reading`, `streaming` or `quarantined`.
    pub(crate) state: String,
    /// What keeps changes from being delivered, and its remedy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) finding: Option<String>,
    /// Quarantine, if the table is quarantined.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) quarantine: Option<QuarantineReport>,
}

/// Quarantine of a table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct QuarantineReport {
    /// `mapping`, `size`, `schema`, `topic` or `rows`.
    pub(crate) reason: String,
    /// First change that was not delivered: its `walcast.id`, or the position of the snapshot of which a row was not.
    pub(crate) since: String,
    /// Position of that change in WAL.
    pub(crate) lsn: String,
    /// Time of the quarantine, in UTC.
    pub(crate) entered: Option<String>,
}

impl QuarantineReport {
    pub(crate) fn of(quarantine: &Quarantine) -> Self {
        let entered = Timestamp::from_microsecond(quarantine.entered_at_unix_micros);
        Self {
            reason: quarantine.reason.as_str().to_owned(),
            since: since(quarantine),
            lsn: quarantine.lsn.to_string(),
            entered: entered.ok().map(|entered| entered.to_string()),
        }
    }
}

/// First change that was not delivered, as the header `walcast.id` has it, or the position of the snapshot.
fn since(quarantine: &Quarantine) -> String {
    // A change precedes the end of its transaction.
    if quarantine.since == ChangePosition::of_snapshot(quarantine.lsn) {
        quarantine.lsn.to_string()
    } else {
        quarantine.since.to_string()
    }
}

impl TableReport {
    fn of(table: &TableName, state: &TableState) -> Self {
        let (finding, quarantine) = match state {
            TableState::Captured | TableState::Reading | TableState::Streaming => (None, None),
            TableState::WaitingForSql(finding) => (Some(describe(finding)), None),
            TableState::Quarantined(quarantine) => {
                let finding = describe(&TableQuarantined::from(quarantine));
                (Some(finding), Some(QuarantineReport::of(quarantine)))
            }
        };
        Self {
            table: table.to_string(),
            pattern: table.as_pattern(),
            state: state.word().to_owned(),
            finding,
            quarantine,
        }
    }
}

/// States of the captured tables: quarantined ones, then those that wait for SQL, then the others, each by name.
pub(super) fn reports(state: &ConnectorState) -> Vec<TableReport> {
    let states: BTreeMap<TableName, TableState> = state.table_states();
    let mut states: Vec<(&TableName, &TableState)> = states.iter().collect();
    states.sort_by_key(|(_, state)| match state {
        TableState::Quarantined(_) => 0,
        TableState::WaitingForSql(_) => 1,
        TableState::Reading => 2,
        TableState::Captured | TableState::Streaming => 3,
    });
    let shown = states.into_iter().take(TABLES_SHOWN);
    shown
        .map(|(table, state)| TableReport::of(table, state))
        .collect()
}
