//! What keeps changes of captured tables from arriving while they are streamed, from when it is first seen until it is mended.

use std::sync::atomic::AtomicI64;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use walcast_pgoutput::Lsn;

use crate::Halt;

/// What was found at the last look. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct DriftBoard {
    found: Arc<Mutex<Vec<Drifted>>>,
    /// How many there are.
    count: Gauge<i64, AtomicI64>,
}

/// One finding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Drifted {
    /// What was found and what mends it: what a start would halt with.
    pub finding: Halt,
    /// The end of the log when it was not yet so.
    pub after: Lsn,
}

/// What a look changes.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Turned {
    pub(crate) begun: Vec<Halt>,
    pub(crate) mended: Vec<Drifted>,
}

impl DriftBoard {
    /// What stands on it now.
    #[must_use]
    pub fn read(&self) -> Vec<Drifted> {
        self.lock().clone()
    }

    pub(crate) fn register(&self, registry: &mut Registry) {
        registry.register(
            "drift_findings",
            "What keeps changes of captured tables from arriving, 0 when all is well",
            self.count.clone(),
        );
    }

    /// Takes over the findings of a look; none of them was there when the log ended at `after`, unless it stands here already.
    pub(crate) fn turn(&self, findings: impl IntoIterator<Item = Halt>, after: Lsn) -> Turned {
        let mut found = self.lock();
        let mut before = std::mem::take(&mut *found);
        let mut begun = Vec::new();
        for finding in findings {
            match before.iter().position(|one| one.finding == finding) {
                Some(known) => found.push(before.swap_remove(known)),
                None => {
                    begun.push(finding.clone());
                    found.push(Drifted { finding, after });
                }
            }
        }
        self.count.set(i64::try_from(found.len()).unwrap_or(i64::MAX));
        Turned {
            begun,
            mended: before,
        }
    }

    /// Nobody panics while holding it; a board is worth less than whatever would end because of one.
    fn lock(&self) -> MutexGuard<'_, Vec<Drifted>> {
        self.found.lock().unwrap_or_else(PoisonError::into_inner)
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
    fn a_finding_is_told_when_it_comes_and_when_it_is_gone() {
        let board = DriftBoard::default();
        let (first, second) = (no_table("a"), no_table("b"));
        let turned = board.turn([first.clone()], Lsn::new(1));
        assert_eq!((turned.begun, turned.mended.len()), (vec![first.clone()], 0));

        // It stays as it was first seen.
        let turned = board.turn([second.clone(), first.clone()], Lsn::new(2));
        assert_eq!((turned.begun, turned.mended.len()), (vec![second.clone()], 0));
        let after: Vec<Lsn> = board.read().iter().map(|one| one.after).collect();
        assert_eq!(after, [Lsn::new(2), Lsn::new(1)]);
        assert_eq!(board.count.get(), 2);

        let turned = board.turn([second], Lsn::new(3));
        let mended = Drifted {
            finding: first.clone(),
            after: Lsn::new(1),
        };
        assert_eq!((turned.begun, turned.mended), (Vec::new(), vec![mended]));
        let turned = board.turn([], Lsn::new(4));
        assert_eq!(turned.mended.len(), 1);
        assert_eq!((board.count.get(), board.read().len()), (0, 0));

        // What comes again is told again.
        assert_eq!(board.turn([first], Lsn::new(5)).begun.len(), 1);
    }
}
