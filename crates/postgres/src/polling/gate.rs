//! Gate: the rows before which no running transaction can still add one.
//!
//! A transaction draws the values of the outbox's order while it holds `ROW EXCLUSIVE` on the outbox, and holds that lock to its end. When
//! the newest row that is visible is read first, and the transactions with that lock are read then, each transaction that drew a smaller
//! value has either ended, so that the next statement sees its rows, or is among them. Once they have all ended, no row up to the newest
//! one can come any more. Transactions that begin to write meanwhile draw greater values, and are not waited for.
//!
//! The lock is sharper than `pg_snapshot_xmin`: transactions that do not write to the outbox, and those of other databases, hold
//! nothing up, and a transaction that got its ID late cannot add a smaller value.

use std::collections::BTreeSet;

/// Virtual transaction ID (`pg_locks.virtualtransaction`).
pub(super) type Writer = String;

/// Beginning of the virtual transaction IDs that prepared transactions have in older minor releases. Later ones keep their ID.
const PREPARED: &str = "-1/";

/// Gate of one outbox, as one worker sees it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Gate {
    /// Order values up to which rows may be claimed.
    bound: Option<Vec<String>>,
    /// Order values of a newer row, and the transactions that have to end before.
    next: Option<(Vec<String>, BTreeSet<Writer>)>,
}

impl Gate {
    /// Order values up to which rows may be claimed; `None`: no row may be claimed yet.
    pub(super) fn bound(&self) -> Option<&[String]> {
        self.bound.as_deref()
    }

    /// Whether transactions have to end before newer rows may be claimed.
    pub(super) fn is_waiting(&self) -> bool {
        self.next.is_some()
    }

    /// Takes the order values of the newest row, and the transactions that were writing afterwards.
    pub(super) fn begin(&mut self, newest: Vec<String>, writers: BTreeSet<Writer>) {
        if writers.is_empty() {
            self.bound = Some(newest);
        } else {
            self.next = Some((newest, writers));
        }
    }

    /// Takes the transactions that are writing now.
    pub(super) fn observe(&mut self, writers: &BTreeSet<Writer>) {
        let Some((newest, mut awaited)) = self.next.take() else {
            return;
        };
        let is_gone = |writer: &Writer| !writers.contains(writer) && !writer.starts_with(PREPARED);
        // A transaction that is gone may have been prepared, which can give it another ID. A prepared one gets no other.
        let may_be_prepared = awaited.iter().any(is_gone);
        awaited.retain(|writer| writers.contains(writer));
        if may_be_prepared {
            let prepared = writers.iter().filter(|writer| writer.starts_with(PREPARED));
            awaited.extend(prepared.cloned());
        }
        if awaited.is_empty() {
            self.bound = Some(newest);
        } else {
            self.next = Some((newest, awaited));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::Gate;

    fn writers(all: &[&str]) -> BTreeSet<String> {
        all.iter().map(|writer| (*writer).to_owned()).collect()
    }

    fn newest(value: &str) -> Vec<String> {
        vec![value.to_owned()]
    }

    #[test]
    fn rows_wait_for_the_transactions_that_were_writing() {
        let mut gate = Gate::default();
        assert_eq!((gate.bound(), gate.is_waiting()), (None, false));
        gate.begin(newest("5"), writers(&["3/1", "4/7"]));
        assert_eq!((gate.bound(), gate.is_waiting()), (None, true));
        // Those that came later are not waited for.
        gate.observe(&writers(&["4/7", "9/1"]));
        assert!(gate.is_waiting());
        gate.observe(&writers(&["9/1", "9/2"]));
        assert_eq!(gate.bound(), Some(&newest("5")[..]));
        assert!(!gate.is_waiting());
    }

    #[test]
    fn rows_up_to_the_bound_can_be_claimed_while_newer_ones_wait() {
        let mut gate = Gate::default();
        gate.begin(newest("5"), writers(&[]));
        gate.begin(newest("9"), writers(&["3/2"]));
        assert_eq!(gate.bound(), Some(&newest("5")[..]));
        gate.observe(&writers(&[]));
        assert_eq!(gate.bound(), Some(&newest("9")[..]));
    }

    #[test]
    fn a_transaction_that_was_prepared_is_waited_for() {
        let mut gate = Gate::default();
        gate.begin(newest("5"), writers(&["3/1"]));
        gate.observe(&writers(&["-1/815", "8/1"]));
        assert!(gate.is_waiting());
        // Another one that is prepared later is none of those that were writing.
        gate.observe(&writers(&["-1/816"]));
        assert_eq!(gate.bound(), Some(&newest("5")[..]));
    }
}
