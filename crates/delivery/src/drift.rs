//! Publication drift: findings that keep changes of captured tables from arriving while the connector streams, each
//! shown from its first detection until its resolution.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use walcast_pgoutput::Lsn;

use crate::halt::Halt;

/// Publication drift found by the latest inspection. Clones share the state.
#[derive(Clone, Debug, Default)]
pub struct DriftState(Arc<Mutex<Vec<Drifted>>>);

/// Finding of publication drift.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Drifted {
    /// Finding: the error with which a start would halt.
    pub finding: Halt,
    /// End of WAL at the last inspection without this finding.
    pub after: Lsn,
}

/// Changes that were not delivered while a finding lasted, and are not delivered after its resolution.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct MissedChanges(pub Halt);

/// Difference between two inspections.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct DriftChange {
    pub(crate) appeared: Vec<Halt>,
    pub(crate) resolved: Vec<Drifted>,
}

impl DriftState {
    /// Current findings.
    #[must_use]
    pub fn read(&self) -> Vec<Drifted> {
        self.lock().clone()
    }

    /// Replaces the findings with those of a new inspection. Findings that are new arose after the end of WAL at
    /// `after`.
    pub(crate) fn update(&self, findings: impl IntoIterator<Item = Halt>, after: Lsn) -> DriftChange {
        let mut found = self.lock();
        let mut before = std::mem::take(&mut *found);
        let mut appeared = Vec::new();
        for finding in findings {
            match before.iter().position(|one| one.finding == finding) {
                Some(known) => found.push(before.swap_remove(known)),
                None => {
                    appeared.push(finding.clone());
                    found.push(Drifted { finding, after });
                }
            }
        }
        DriftChange {
            appeared,
            resolved: before,
        }
    }

    /// Locks the state. A poisoned lock is ignored: no code panics while holding it, and a display is not worth
    /// stopping the connector.
    fn lock(&self) -> MutexGuard<'_, Vec<Drifted>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn no_table(pattern: &str) -> Halt {
        Halt::NoTable {
            pattern: pattern.to_owned(),
        }
    }

    #[test]
    fn reports_a_finding_when_it_appears_and_when_it_is_resolved() {
        let drift = DriftState::default();
        let (first, second) = (no_table("a"), no_table("b"));
        let change = drift.update([first.clone()], Lsn::new(1));
        assert_eq!((change.appeared, change.resolved.len()), (vec![first.clone()], 0));

        // The position of a known finding stays that of its first detection.
        let change = drift.update([second.clone(), first.clone()], Lsn::new(2));
        assert_eq!(
            (change.appeared, change.resolved.len()),
            (vec![second.clone()], 0)
        );
        let after: Vec<Lsn> = drift.read().iter().map(|one| one.after).collect();
        assert_eq!(after, [Lsn::new(2), Lsn::new(1)]);

        let change = drift.update([second], Lsn::new(3));
        let resolved = Drifted {
            finding: first.clone(),
            after: Lsn::new(1),
        };
        assert_eq!((change.appeared, change.resolved), (Vec::new(), vec![resolved]));
        let change = drift.update([], Lsn::new(4));
        assert_eq!(change.resolved.len(), 1);
        assert_eq!(drift.read().len(), 0);

        // A finding that reappears is reported again.
        assert_eq!(drift.update([first], Lsn::new(5)).appeared.len(), 1);
    }
}
