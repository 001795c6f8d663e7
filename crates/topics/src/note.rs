//! What makes a history incomplete or uncertain: it is reported, never passed over.

use std::fmt;

use crate::change::Operation;
use crate::key_partitions::AllPartitions;

/// Finding that makes a history incomplete or uncertain, or explains how it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Note {
    /// Retention has removed the beginning of a partition.
    Expired {
        /// Name of the topic.
        topic: String,
        /// Number of the partition.
        partition: i32,
        /// Offset of the first record that is left.
        first: i64,
    },
    /// The topic is compacted.
    Compacted {
        /// Name of the topic.
        topic: String,
    },
    /// Whether the topic is compacted is unknown, because the user may not read its settings.
    PolicyUnknown {
        /// Name of the topic.
        topic: String,
    },
    /// All partitions were read.
    AllPartitions {
        /// Name of the topic.
        topic: String,
        /// Reason.
        reason: AllPartitions,
    },
    /// The first change is not the creation of the row.
    BeginsWith {
        /// Operation of the first change.
        operation: Operation,
    },
    /// The row had another key, which was not followed.
    KeyNotFollowed {
        /// The key as the header has it.
        key: String,
    },
    /// The row had another key, of which no record was found.
    KeyNotFound {
        /// The key as the header has it.
        key: String,
    },
    /// Records that cannot be decoded, or that no connector wrote.
    Foreign {
        /// Number of records.
        records: u64,
    },
    /// Records that are in the topic more than once, with the same `walcast.id`.
    DeliveredAgain {
        /// Number of records beside the first of each change.
        records: u64,
    },
    /// The oldest changes, of which there are too many.
    LeftOut {
        /// Number of changes.
        changes: u64,
    },
}

impl Note {
    /// Whether changes may be missing from the history.
    #[must_use]
    pub const fn is_incomplete(&self) -> bool {
        match self {
            Self::Expired { .. }
            | Self::Compacted { .. }
            | Self::PolicyUnknown { .. }
            | Self::BeginsWith { .. }
            | Self::KeyNotFollowed { .. }
            | Self::KeyNotFound { .. }
            | Self::Foreign { .. }
            | Self::LeftOut { .. } => true,
            Self::AllPartitions { .. } | Self::DeliveredAgain { .. } => false,
        }
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Expired {
                topic,
                partition,
                first,
            } => write!(
                f,
                "retention has removed the records before offset {first} of {topic}/{partition}; earlier changes may be missing"
            ),
            Self::Compacted { topic } => write!(
                f,
                "{topic} is compacted, which removes all but the newest records of a key; earlier changes may be missing"
            ),
            Self::PolicyUnknown { topic } => write!(
                f,
                "whether {topic} is compacted is unknown (the user may not read its settings: DescribeConfigs)"
            ),
            Self::AllPartitions { topic, reason } => {
                write!(f, "all partitions of {topic} were read: {reason}")
            }
            Self::BeginsWith { operation } => write!(
                f,
                "the first change in the topic is {} {}, not the creation of the row",
                match operation {
                    Operation::Update => "an",
                    _ => "a",
                },
                operation.word()
            ),
            Self::KeyNotFollowed { key } => {
                write!(f, "the row also had the key {key}, which was not followed")
            }
            Self::KeyNotFound { key } => {
                write!(f, "the row also had the key {key}, of which no change was found")
            }
            Self::Foreign { records } => write!(
                f,
                "{records} records cannot be decoded, or were not written by a connector; changes may be among them"
            ),
            Self::DeliveredAgain { records } => {
                write!(f, "{records} records were delivered again and are shown once")
            }
            Self::LeftOut { changes } => write!(f, "the {changes} oldest changes are left out"),
        }
    }
}
