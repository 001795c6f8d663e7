//! Changes whose records Kafka rejected.

use std::collections::BTreeSet;

use walcast_mapper::Ordinal;
use walcast_pgoutput::Lsn;

/// Changes whose records Kafka rejected although they were not known to be too large. The next session needs them: it
/// receives the same changes again, because their transaction was aborted.
#[derive(Debug, Default)]
pub(crate) struct RejectedChanges {
    changes: BTreeSet<(Lsn, Ordinal)>,
    /// Kafka's error for the last of these changes.
    error: String,
}

impl RejectedChanges {
    /// Adds a change by the `walcast.id` header of its record. False if the change was added before, or if the record
    /// does not belong to a change: adding it would not help.
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

    /// Forgets changes before a position, which are delivered.
    pub(crate) fn forget_before(&mut self, lsn: Lsn) {
        self.changes = self.changes.split_off(&(lsn, Ordinal::default()));
    }
}

/// Parses `0/16B3748/3` or, for a further record of the change, `0/16B3748/3.1`.
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
    fn remembers_records_of_changes_only_and_once() {
        let mut rejected = RejectedChanges::default();
        for other in ["0/10/begin", "0/10/end", "0/10/16400(3,7)", "", "0/10", "x/3"] {
            assert!(!rejected.remember(other, String::new()), "{other}");
        }
        assert!(rejected.remember("0/10/3", "large".to_owned()));
        assert!(!rejected.remember("0/10/3.1", "large".to_owned()));
        assert!(rejected.remember("0/20/0", "large".to_owned()));
        let (three, none) = (Ordinal::new(3), Ordinal::default());
        assert!(rejected.contain(Lsn::new(0x10), three) && !rejected.contain(Lsn::new(0x10), none));
        rejected.forget_before(Lsn::new(0x20));
        assert!(!rejected.contain(Lsn::new(0x10), three) && rejected.contain(Lsn::new(0x20), none));
    }
}
