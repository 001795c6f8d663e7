//! Consumer groups, as they are reported.

use std::collections::BTreeSet;

/// Topics whose consumers are looked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConsumedTopics {
    /// Topics whose names begin with this text.
    pub prefix: String,
    /// Further topics.
    pub further: BTreeSet<String>,
    /// Topics that are left out.
    pub excluded: BTreeSet<String>,
}

impl ConsumedTopics {
    /// Whether the consumers of a topic are looked for.
    pub(super) fn contains(&self, topic: &str) -> bool {
        let is_named = topic.starts_with(&self.prefix) || self.further.contains(topic);
        is_named && !self.excluded.contains(topic)
    }
}

/// Consumer groups of topics.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConsumerGroups {
    /// Groups with committed offsets, by name.
    pub groups: Vec<ConsumerGroup>,
    /// Groups whose offsets could not be read, each with the error.
    pub unreadable: Vec<(String, String)>,
    /// Number of groups that were not read because there are too many, or because the time was over.
    pub omitted: usize,
}

/// Consumer group with committed offsets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsumerGroup {
    /// Id of the group.
    pub group: String,
    /// State, as Kafka names it.
    pub state: String,
    /// Number of members.
    pub members: usize,
    /// Partitions of every topic on which the group has a committed offset, by topic and number.
    pub partitions: Vec<GroupPartition>,
}

/// Partition that a group consumes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupPartition {
    /// Name of the topic.
    pub topic: String,
    /// Number of the partition.
    pub partition: i32,
    /// Offset of the first record that the group has not consumed; `None` if it has committed none.
    pub committed: Option<i64>,
    /// Offset of the first record that is left.
    pub first: i64,
    /// Offset after the last record that a `read_committed` consumer sees.
    pub end: i64,
    /// First record that the group has not consumed.
    pub next: NextRecord,
}

/// First record that a group has not consumed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NextRecord {
    /// There is none: the group has consumed everything that was written before it was asked for.
    None,
    /// There is none that a `read_committed` consumer may see, and transactions are open.
    Hidden,
    /// The record.
    Record {
        /// Timestamp in milliseconds since 1970.
        timestamp: Option<i64>,
        /// Value of its header `walcast.id`, unless a replay has written it.
        id: Option<String>,
    },
    /// Records that the group has not consumed were deleted, it has committed no offset, or the record could not be read.
    Unknown,
}

impl GroupPartition {
    /// Number of offsets that the group has not consumed; 0 if there is no record among them.
    #[must_use]
    pub fn lag(&self) -> u64 {
        match self.next {
            NextRecord::None | NextRecord::Hidden => 0,
            NextRecord::Record { .. } | NextRecord::Unknown => {
                let from = self.committed.unwrap_or(self.first);
                u64::try_from(self.end - from).unwrap_or_default()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn partition(committed: Option<i64>, next: NextRecord) -> GroupPartition {
        GroupPartition {
            topic: "shop.public.orders".to_owned(),
            partition: 0,
            committed,
            first: 10,
            end: 30,
            next,
        }
    }

    #[test]
    fn the_lag_counts_offsets_unless_there_is_no_record() {
        let record = NextRecord::Record {
            timestamp: None,
            id: None,
        };
        for (committed, next, lag) in [
            (Some(28), record, 2),
            // What is left are markers of transactions.
            (Some(28), NextRecord::None, 0),
            (Some(28), NextRecord::Hidden, 0),
            (Some(30), NextRecord::None, 0),
            (None, NextRecord::Unknown, 20),
            // The topic was created again.
            (Some(90), NextRecord::Unknown, 0),
        ] {
            assert_eq!(
                partition(committed, next.clone()).lag(),
                lag,
                "{committed:?} {next:?}"
            );
        }
    }

    #[test]
    fn topics_are_chosen_by_prefix_and_by_name() {
        let topics = ConsumedTopics {
            prefix: "shop.".to_owned(),
            further: BTreeSet::from(["outbox.event.orders".to_owned()]),
            excluded: BTreeSet::from(["shop.walcast-checkpoints".to_owned()]),
        };
        for (topic, is_chosen) in [
            ("shop.public.orders", true),
            ("outbox.event.orders", true),
            ("shop.walcast-checkpoints", false),
            ("shopping.public.orders", false),
            ("outbox.event.items", false),
        ] {
            assert_eq!(topics.contains(topic), is_chosen, "{topic}");
        }
    }
}
