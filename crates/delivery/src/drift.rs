//! Publication drift: findings that keep changes of captured tables from arriving while the connector streams, each
//! shown from its first detection until its resolution.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use walcast_pgoutput::Lsn;

use crate::halt::Halt;

/// Publication drift found by the latest inspection. Clones share the state.
#[derive(Clone, Debug, Default)]
pub struct DriftState(Arc<Mutex<Inspected>>);

/// Result of an inspection.
#[derive(Debug, Default)]
struct Inspected {
    findings: Vec<Drifted>,
    /// End of WAL read at its beginning; `None` before the first inspection.
    at: Option<Lsn>,
    /// Number of inspections since the process started.
    count: u64,
}

/// Latest inspection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Inspection {
    /// Number of inspections since the process started.
    pub(crate) count: u64,
    /// End of WAL read at its beginning; `None` before the first inspection.
    pub(crate) at: Option<Lsn>,
}

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
    pub(crate) appeared: Vec<Drifted>,
    pub(crate) resolved: Vec<Drifted>,
}

impl DriftState {
    /// Current findings.
    #[must_use]
    pub fn read(&self) -> Vec<Drifted> {
        self.lock().findings.clone()
    }

    /// End of WAL at the latest inspection: the findings describe the catalog as of this position or later. `None` before
    /// the first inspection.
    #[must_use]
    pub fn inspected_at(&self) -> Option<Lsn> {
        self.lock().at
    }

    /// Latest inspection.
    pub(crate) fn inspection(&self) -> Inspection {
        let inspected = self.lock();
        Inspection {
            count: inspected.count,
            at: inspected.at,
        }
    }

    /// Replaces the findings with those of a new inspection that read the end of WAL `at`, each with the end of WAL after
    /// which it arose if it is new.
    pub(crate) fn update(&self, at: Lsn, findings: impl IntoIterator<Item = Drifted>) -> DriftChange {
        let mut inspected = self.lock();
        inspected.at = Some(at);
        inspected.count += 1;
        let found = &mut inspected.findings;
        let mut before = std::mem::take(found);
        let mut appeared = Vec::new();
        for one in findings {
            match before.iter().position(|known| known.finding == one.finding) {
                Some(known) => found.push(before.swap_remove(known)),
                None => {
                    appeared.push(one.clone());
                    found.push(one);
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
    fn lock(&self) -> MutexGuard<'_, Inspected> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drifted(pattern: &str, after: u64) -> Drifted {
        let finding = Halt::NoTable {
            pattern: pattern.to_owned(),
        };
        Drifted {
            finding,
            after: Lsn::new(after),
        }
    }

    #[test]
    fn reports_a_finding_when_it_appears_and_when_it_is_resolved() {
        let drift = DriftState::default();
        assert_eq!(drift.inspected_at(), None);
        let change = drift.update(Lsn::new(1), [drifted("a", 1)]);
        assert_eq!(
            (change.appeared, change.resolved.len()),
            (vec![drifted("a", 1)], 0)
        );

        // The position of a known finding stays that of its first detection.
        let change = drift.update(Lsn::new(2), [drifted("b", 2), drifted("a", 2)]);
        assert_eq!(
            (change.appeared, change.resolved.len()),
            (vec![drifted("b", 2)], 0)
        );
        assert_eq!(drift.read(), [drifted("b", 2), drifted("a", 1)]);

        let change = drift.update(Lsn::new(3), [drifted("b", 3)]);
        assert_eq!(
            (change.appeared, change.resolved),
            (Vec::new(), vec![drifted("a", 1)])
        );
        assert_eq!(drift.update(Lsn::new(4), []).resolved.len(), 1);
        assert_eq!(drift.read().len(), 0);

        assert_eq!(drift.inspected_at(), Some(Lsn::new(4)));

        // A finding that reappears is reported again.
        assert_eq!(drift.update(Lsn::new(5), [drifted("a", 5)]).appeared.len(), 1);
    }
}
