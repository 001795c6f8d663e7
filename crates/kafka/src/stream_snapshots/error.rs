//! Errors of the snapshots of streams. They are logged and end nothing: events are delivered without snapshots.

use walcast_mapper::merge_patch::MergePatchError;

use crate::error::KafkaError;
use crate::registry::RegistryError;

/// Failure of the snapshots of a topic.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StreamSnapshotError {
    /// Kafka fails.
    #[error(transparent)]
    Kafka(#[from] KafkaError),
    /// The schema of an event cannot be read.
    #[error("the schema of an event cannot be read: {source}")]
    Registry {
        /// Error of the registry.
        #[from]
        source: RegistryError,
    },
    /// A record of the topic cannot be folded. The text contains no value.
    #[error("the record at {topic}[{partition}]@{offset} cannot be folded: {problem}")]
    Event {
        /// Name of the topic of events.
        topic: String,
        /// Partition of the record.
        partition: i32,
        /// Offset of the record.
        offset: i64,
        /// What is wrong.
        #[source]
        problem: FoldProblem,
    },
    /// The streams take more memory than allowed.
    #[error(
        "the last states of the streams of {topic} take more than {limit} bytes; raise memory of [[stream_snapshots]]"
    )]
    Memory {
        /// Name of the topic of events.
        topic: String,
        /// Limit.
        limit: usize,
    },
    /// Events were removed before they were folded.
    #[error(
        "events of {topic}[{partition}] from offset {next} on were removed before they were folded, up to {first}; delete {snapshots} to \
         begin again with the events that are left"
    )]
    EventsRemoved {
        /// Name of the topic of events.
        topic: String,
        /// Partition.
        partition: i32,
        /// Offset of the first event that was not folded.
        next: i64,
        /// Offset of the first record that is left.
        first: i64,
        /// Name of the topic of snapshots.
        snapshots: String,
    },
    /// The topic of snapshots was not made with the present settings.
    #[error("{snapshots} {problem}; delete the topic to begin again")]
    Topic {
        /// Name of the topic of snapshots.
        snapshots: String,
        /// What is wrong, as a predicate.
        problem: String,
    },
}

/// What keeps a record from being folded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FoldProblem {
    /// The record has no key.
    #[error("it has no key, and so no stream")]
    NoKey,
    /// The record has no version.
    #[error("it has no header version with a number: it is no event of an event store")]
    NoVersion,
    /// The value is not the payload alone.
    #[error(
        "its value is not a payload as text: a merge patch needs an event store whose value is a payload in JSON"
    )]
    NotText,
    /// The payload cannot be applied.
    #[error(transparent)]
    Patch(#[from] MergePatchError),
}
