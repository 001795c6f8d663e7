//! Captured tables that cannot be captured any more: a start leaves out a table that was never captured, and halts for one that was.

use std::collections::BTreeSet;

use walcast_delivery::{CheckpointLog, Promised, SourceState, halting_table_findings};

use super::finding::Finding;
use crate::remedy::describe;

/// Replaces the warnings about tables that are left out by failures for those that were captured before.
pub(super) fn fail_for_promised(
    findings: &mut Vec<Finding>,
    source_state: &SourceState,
    log: &CheckpointLog,
) {
    let promised = Promised::of(log, source_state);
    if matches!(promised, Promised::FirstStart) {
        return;
    }
    let halts = halting_table_findings(source_state, promised);
    if halts.is_empty() {
        return;
    }
    let captured = source_state.captured.iter();
    let missing = captured.filter(|table| promised.misses(table, source_state));
    let names: BTreeSet<String> = missing
        .map(|table| format!("postgres table {}", table.name))
        .collect();
    findings.retain(|finding| !finding.warning || !names.contains(&finding.name));
    findings.extend(halts.iter().map(|halt| Finding {
        name: "captured tables".to_owned(),
        ok: false,
        warning: false,
        detail: describe(halt),
    }));
}
