//! Topics that records of tables must not reach.

use std::fmt;

/// Topic that the connector keeps for a purpose of its own: a record of a table in it would be read as something else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReservedTopic {
    /// Name of the topic.
    pub topic: String,
    /// Purpose of the topic.
    pub purpose: TopicPurpose,
}

/// Purpose of a reserved topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TopicPurpose {
    /// Checkpoints of connectors.
    Checkpoints,
    /// Certificates of comparisons.
    Verifications,
    /// Replays with their progress.
    Replays,
    /// Dead letters.
    DeadLetters,
    /// Signals to the connector.
    Signals,
    /// Snapshots of streams.
    StreamSnapshots,
}

impl TopicPurpose {
    /// Setting that names the topic.
    pub(crate) fn setting(self) -> &'static str {
        match self {
            TopicPurpose::Checkpoints | TopicPurpose::Verifications | TopicPurpose::Replays => {
                "[kafka] topic_prefix"
            }
            TopicPurpose::DeadLetters => "[dead_letters] topic",
            TopicPurpose::Signals => "[snapshot] signal_topic",
            TopicPurpose::StreamSnapshots => "[[stream_snapshots]] topic",
        }
    }
}

impl fmt::Display for TopicPurpose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            TopicPurpose::Checkpoints => "checkpoint topic",
            TopicPurpose::Verifications => "verification topic",
            TopicPurpose::Replays => "replay topic",
            TopicPurpose::DeadLetters => "dead-letter topic",
            TopicPurpose::Signals => "signal topic",
            TopicPurpose::StreamSnapshots => "topic of snapshots of streams",
        })
    }
}
