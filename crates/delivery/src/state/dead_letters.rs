//! The last dead letters, for observers.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use walcast_pgoutput::{Lsn, PgTimestamp};

/// Number of dead letters that are kept.
const KEPT: usize = 100;

/// Dead letter that was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SentDeadLetter {
    /// Value of its header `walcast.id`.
    pub id: String,
    /// Table as `schema.table`.
    pub table: String,
    /// Reason, as in the metrics.
    pub reason: &'static str,
    /// Position of the commit of its change, or of the snapshot.
    pub commit_lsn: Lsn,
    /// Time at which it was sent for the first time.
    pub seen: PgTimestamp,
}

/// The last dead letters of this process. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct DeadLettersState(Arc<Mutex<VecDeque<SentDeadLetter>>>);

impl DeadLettersState {
    /// Dead letters, the newest first.
    #[must_use]
    pub fn read(&self) -> Vec<SentDeadLetter> {
        self.lock().iter().rev().cloned().collect()
    }

    /// Adds a dead letter, unless it was sent before: a change comes again after its Kafka transaction was aborted.
    pub(crate) fn add(&self, letter: SentDeadLetter) {
        let mut kept = self.lock();
        if kept
            .iter()
            .any(|one| one.id == letter.id && one.table == letter.table)
        {
            return;
        }
        if kept.len() == KEPT {
            kept.pop_front();
        }
        kept.push_back(letter);
    }

    /// Locks the state. A poisoned lock is ignored: no code panics while holding it, and a display is not worth stopping the connector.
    fn lock(&self) -> MutexGuard<'_, VecDeque<SentDeadLetter>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn letter(number: usize) -> SentDeadLetter {
        SentDeadLetter {
            id: format!("0/16B3748/{number}"),
            table: "public.prices".to_owned(),
            reason: "mapping",
            commit_lsn: Lsn::new(0x16B_3748),
            seen: PgTimestamp::from_postgres_micros(0),
        }
    }

    #[test]
    fn a_dead_letter_that_is_sent_again_is_listed_once() {
        let state = DeadLettersState::default();
        for number in [1, 2, 1] {
            state.add(letter(number));
        }
        assert_eq!(state.read(), [letter(2), letter(1)]);
        for number in 0..=2 * KEPT {
            state.add(letter(number));
        }
        let kept = state.read();
        assert_eq!(kept.len(), KEPT);
        assert_eq!(kept.first(), Some(&letter(2 * KEPT)));
    }
}
