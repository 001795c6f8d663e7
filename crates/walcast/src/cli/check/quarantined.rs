//! Quarantined tables: a start skips their changes.

use walcast_delivery::{CheckpointLog, Quarantine, TableQuarantined};

use super::finding::Finding;
use crate::admin::QuarantineReport;
use crate::remedy::describe;

/// One finding for each quarantined table.
pub(super) fn findings(log: &CheckpointLog) -> impl Iterator<Item = Finding> {
    log.quarantines
        .values()
        .filter(|one| one.is_skipping())
        .map(finding)
}

fn finding(quarantine: &Quarantine) -> Finding {
    let QuarantineReport { reason, since, .. } = QuarantineReport::of(quarantine);
    Finding {
        name: format!("table {}", quarantine.table),
        ok: true,
        warning: true,
        detail: format!(
            "quarantined since {since} ({reason}): {}",
            describe(&TableQuarantined::from(quarantine))
        ),
    }
}
