//! Captured tables that cannot be captured any more: a start leaves out a table that was never captured, and halts for one that was.

use walcast_delivery::{
    CapturedTable, CheckpointLog, CheckpointState, Persistence, Promised, SourceState, halting_table_findings,
};

use super::finding::Finding;
use crate::remedy::describe;

/// Replaces the warnings about tables that are left out by failures for those that were captured before.
pub(super) fn fail_for_promised(
    findings: &mut Vec<Finding>,
    source_state: &SourceState,
    log: &CheckpointLog,
) {
    let is_restart = log
        .current
        .as_ref()
        .is_some_and(|current| current.state != CheckpointState::CreatingSlot);
    if !is_restart {
        return;
    }
    let promised = log.known_tables.as_ref().map_or(Promised::All, Promised::Tables);
    let halts = halting_table_findings(source_state, promised);
    if halts.is_empty() {
        return;
    }
    let is_missing = |table: &&CapturedTable| {
        promised.includes(table)
            && (table.persistence != Persistence::Permanent || !source_state.publishes(&table.name))
    };
    for table in source_state.captured.iter().filter(is_missing) {
        let name = format!("postgres table {}", table.name);
        findings.retain(|finding| !finding.warning || finding.name != name);
    }
    findings.extend(halts.iter().map(|halt| Finding {
        name: "captured tables".to_owned(),
        ok: false,
        warning: false,
        detail: describe(halt),
    }));
}
