//! Why a change is not delivered, where that lies in the change or its table and not in the way to Kafka.

use std::collections::BTreeSet;

use walcast_mapper::{LetterReason, MapError, Ordinal};
use walcast_pgoutput::Lsn;

use crate::DeliveryError;
use crate::relations::EncodeFault;

/// Why a change has no record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) reason: LetterReason,
    pub(crate) error: String,
}

impl Refusal {
    /// Kafka did not take its record.
    pub(crate) fn by_kafka(error: &str) -> Self {
        Self {
            reason: LetterReason::Size,
            error: error.to_owned(),
        }
    }

    /// `None` when the fault is not one of the change or its table.
    pub(crate) fn of(fault: &EncodeFault) -> Option<Self> {
        let (reason, error) = match fault {
            EncodeFault::Refused(refusal) => return Some(refusal.clone()),
            EncodeFault::Map(error @ MapError::TooLarge { .. }) => (LetterReason::Size, error.to_string()),
            EncodeFault::Map(error) => (LetterReason::Mapping, error.to_string()),
            EncodeFault::Edge(error @ DeliveryError::Registry { fault, .. }) if fault.halts() => {
                (LetterReason::Schema, error.to_string())
            }
            EncodeFault::Edge(_) | EncodeFault::UnknownRelation => return None,
        };
        Some(Self { reason, error })
    }
}

/// Changes whose records Kafka did not take, though they were not known to be too large. They are remembered for the next
/// session, which comes to them again: the transaction that they are part of was aborted.
#[derive(Debug, Default)]
pub(crate) struct RefusedChanges {
    changes: BTreeSet<(Lsn, Ordinal)>,
    /// What Kafka said of the last of them.
    error: String,
}

impl RefusedChanges {
    /// Remembers a change by the header `walcast.id` of its record. False when it was refused before, or the record is none
    /// of a change: remembering would not help.
    pub(crate) fn remember(&mut self, id: &str, error: String) -> bool {
        let Some(change) = change_of(id) else { return false };
        self.error = error;
        self.changes.insert(change)
    }

    #[inline]
    pub(crate) fn contain(&self, commit_lsn: Lsn, ordinal: Ordinal) -> bool {
        !self.changes.is_empty() && self.changes.contains(&(commit_lsn, ordinal))
    }

    pub(crate) fn error(&self) -> &str {
        &self.error
    }

    /// Forgets what lies before a position: it was delivered.
    pub(crate) fn forget_before(&mut self, lsn: Lsn) {
        self.changes = self.changes.split_off(&(lsn, Ordinal::default()));
    }
}

/// `0/16B3748/3` or, for a further record of the change, `0/16B3748/3.1`.
fn change_of(id: &str) -> Option<(Lsn, Ordinal)> {
    let (commit_lsn, ordinal) = id.rsplit_once('/')?;
    let (ordinal, part) = ordinal.split_once('.').unwrap_or((ordinal, "0"));
    part.parse::<u32>().ok()?;
    Some((commit_lsn.parse().ok()?, Ordinal::new(ordinal.parse().ok()?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_records_of_changes_are_remembered_and_once() {
        let mut refused = RefusedChanges::default();
        for other in ["0/10/begin", "0/10/end", "0/10/16400(3,7)", "", "0/10", "x/3"] {
            assert!(!refused.remember(other, String::new()), "{other}");
        }
        assert!(refused.remember("0/10/3", "large".to_owned()));
        assert!(!refused.remember("0/10/3.1", "large".to_owned()));
        assert!(refused.remember("0/20/0", "large".to_owned()));
        let (three, none) = (Ordinal::new(3), Ordinal::default());
        assert!(refused.contain(Lsn::new(0x10), three) && !refused.contain(Lsn::new(0x10), none));
        refused.forget_before(Lsn::new(0x20));
        assert!(!refused.contain(Lsn::new(0x10), three) && refused.contain(Lsn::new(0x20), none));
    }
}
