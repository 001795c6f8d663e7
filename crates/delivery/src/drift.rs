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
    /// All findings of the newer inspection.
    pub(crate) current: Vec<Drifted>,
    pub(crate) appeared: Vec<Drifted>,
    pub(crate) resolved: Vec<Drifted>,
}

impl DriftState {
    /// Current findings.
    #[must_use]
    pub fn read(&self) -> Vec<Drifted> {
        self.lock().findings.clone()
    }

    /// Number of findings that keep changes from arriving. Rows that may not be read yet are among the findings, and changes of their
    /// table arrive.
    #[must_use]
    pub fn count(&self) -> usize {
        let inspected = self.lock();
        let findings = inspected.findings.iter();
        let counted = findings.filter(|one| !matches!(one.finding, Halt::RowsDenied { .. }));
        counted.count()
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

    /// Compares the findings of a new inspection with the current ones, which stay shown until [`show`](Self::show): what is shown has
    /// been logged. Each finding comes with the end of WAL after which it arose if it is new.
    pub(crate) fn compare(&self, findings: impl IntoIterator<Item = Drifted>) -> DriftChange {
        let mut before = self.lock().findings.clone();
        let (mut current, mut appeared) = (Vec::new(), Vec::new());
        for one in findings {
            match before.iter().position(|known| known.finding == one.finding) {
                Some(known) => current.push(before.swap_remove(known)),
                None => {
                    appeared.push(one.clone());
                    current.push(one);
                }
            }
        }
        DriftChange {
            current,
            appeared,
            resolved: before,
        }
    }

    /// Shows the findings of an inspection that read the end of WAL `at`.
    pub(crate) fn show(&self, at: Lsn, current: Vec<Drifted>) {
        let mut inspected = self.lock();
        inspected.findings = current;
        inspected.at = Some(at);
        inspected.count += 1;
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

    /// Compares and shows the findings of an inspection.
    fn update(drift: &DriftState, at: u64, findings: Vec<Drifted>) -> DriftChange {
        let change = drift.compare(findings);
        drift.show(Lsn::new(at), change.current.clone());
        change
    }

    #[test]
    fn reports_a_finding_when_it_appears_and_when_it_is_resolved() {
        let drift = DriftState::default();
        assert_eq!(drift.inspected_at(), None);
        let change = update(&drift, 1, vec![drifted("a", 1)]);
        assert_eq!(
            (change.appeared, change.resolved.len()),
            (vec![drifted("a", 1)], 0)
        );

        // The position of a known finding stays that of its first detection.
        let change = update(&drift, 2, vec![drifted("b", 2), drifted("a", 2)]);
        assert_eq!(
            (change.appeared, change.resolved.len()),
            (vec![drifted("b", 2)], 0)
        );
        assert_eq!(drift.read(), [drifted("b", 2), drifted("a", 1)]);

        let change = update(&drift, 3, vec![drifted("b", 3)]);
        assert_eq!(
            (change.appeared, change.resolved),
            (Vec::new(), vec![drifted("a", 1)])
        );
        assert_eq!(update(&drift, 4, Vec::new()).resolved.len(), 1);
        assert_eq!(drift.read().len(), 0);

        assert_eq!(drift.inspected_at(), Some(Lsn::new(4)));

        // A finding that reappears is reported again.
        assert_eq!(update(&drift, 5, vec![drifted("a", 5)]).appeared.len(), 1);
    }

    #[test]
    fn findings_are_shown_once_they_were_reported() {
        let drift = DriftState::default();
        let change = drift.compare([drifted("a", 1)]);
        assert_eq!((change.appeared.len(), drift.read()), (1, Vec::new()));
        drift.show(Lsn::new(1), change.current);
        assert_eq!(drift.read(), [drifted("a", 1)]);
        let change = drift.compare([]);
        assert_eq!((change.resolved.len(), drift.read().len()), (1, 1));
        drift.show(Lsn::new(2), change.current);
        assert_eq!(drift.read(), []);
    }

    #[test]
    fn rows_that_may_not_be_read_are_shown_and_hide_no_changes() {
        let drift = DriftState::default();
        let denied = Drifted {
            finding: Halt::RowsDenied {
                table: walcast_mapper::TableName {
                    namespace: "public".to_owned(),
                    name: "orders".to_owned(),
                },
                sql: "GRANT SELECT ON public.orders TO walcast".to_owned(),
            },
            after: Lsn::new(1),
        };
        update(&drift, 1, vec![denied, drifted("a", 1)]);
        assert_eq!((drift.read().len(), drift.count()), (2, 1));
    }
}
