//! Changes whose records Kafka rejected, and topics that may not be written.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use walcast_mapper::Ordinal;
use walcast_mapper::dead_letter::DeadLetterReason;
use walcast_pgoutput::Lsn;

/// Changes whose records Kafka rejected although they were not known to be too large or invalid. The next session needs them: it
/// receives the same changes again, because their transaction was aborted.
#[derive(Debug, Default)]
pub(crate) struct RejectedChanges {
    changes: BTreeMap<(Lsn, Ordinal), DeadLetterReason>,
    /// Kafka's error for the last of these changes.
    error: String,
    /// Topics that may not be written.
    topics: BTreeMap<String, RejectedTopic>,
}

/// Topic that may not be written.
#[derive(Debug)]
struct RejectedTopic {
    /// Kafka's error.
    error: String,
    /// Whether Kafka refuses this topic, and not the way in which topics are created.
    is_refused: bool,
}

impl RejectedChanges {
    /// Adds a change by the `walcast.id` header of its record. False if the change was added before, or if the record
    /// does not belong to a change: adding it would not help.
    pub(crate) fn remember(&mut self, id: &str, reason: DeadLetterReason, error: String) -> bool {
        let Some(change) = change_of(id) else { return false };
        self.error = error;
        match self.changes.entry(change) {
            Entry::Vacant(free) => {
                free.insert(reason);
                true
            }
            Entry::Occupied(_) => false,
        }
    }

    /// Adds a topic that may not be written. False if it was added before.
    pub(crate) fn remember_topic(&mut self, topic: &str, error: String, is_refused: bool) -> bool {
        let rejected = RejectedTopic { error, is_refused };
        self.topics.insert(topic.to_owned(), rejected).is_none()
    }

    /// Kafka's error for a topic that may not be written.
    pub(crate) fn topic_error(&self, topic: &str) -> Option<&str> {
        self.topics.get(topic).map(|rejected| rejected.error.as_str())
    }

    /// Kafka's error for a topic that it refuses, whatever the settings with which topics are created.
    pub(crate) fn topic_refusal(&self, topic: &str) -> Option<&str> {
        let rejected = self.topics.get(topic).filter(|rejected| rejected.is_refused);
        rejected.map(|rejected| rejected.error.as_str())
    }

    /// Reason for which Kafka rejected a change; `None` if it did not.
    #[inline]
    pub(crate) fn reason(&self, commit_lsn: Lsn, ordinal: Ordinal) -> Option<DeadLetterReason> {
        if self.changes.is_empty() {
            return None;
        }
        self.changes.get(&(commit_lsn, ordinal)).copied()
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
    use walcast_mapper::dead_letter::DeadLetterReason::Size;

    use super::*;

    #[test]
    fn remembers_which_topics_kafka_refuses() {
        let mut rejected = RejectedChanges::default();
        assert!(rejected.remember_topic("refused", "collides".to_owned(), true));
        assert!(!rejected.remember_topic("refused", "collides".to_owned(), true));
        assert!(rejected.remember_topic("missing", "does not exist".to_owned(), false));
        let of = |topic| (rejected.topic_error(topic), rejected.topic_refusal(topic));
        assert_eq!(of("refused"), (Some("collides"), Some("collides")));
        assert_eq!(of("missing"), (Some("does not exist"), None));
        assert_eq!(of("other"), (None, None));
    }

    #[test]
    fn remembers_records_of_changes_only_and_once() {
        let mut rejected = RejectedChanges::default();
        for other in ["0/10/begin", "0/10/end", "0/10/16400(3,7)", "", "0/10", "x/3"] {
            assert!(!rejected.remember(other, Size, String::new()), "{other}");
        }
        assert!(rejected.remember("0/10/3", Size, "large".to_owned()));
        assert!(!rejected.remember("0/10/3.1", Size, "large".to_owned()));
        assert!(rejected.remember("0/20/0", Size, "large".to_owned()));
        let (three, none) = (Ordinal::new(3), Ordinal::default());
        assert!(
            rejected.reason(Lsn::new(0x10), three) == Some(Size)
                && rejected.reason(Lsn::new(0x10), none).is_none()
        );
        rejected.forget_before(Lsn::new(0x20));
        assert!(
            rejected.reason(Lsn::new(0x10), three).is_none()
                && rejected.reason(Lsn::new(0x20), none).is_some()
        );
    }
}
