//! Errors of the Kafka sink, and whether a retry can help.

use std::time::Duration;

use walcast_delivery::{Detail, Disposition, PortError, shell};
use walcast_mapper::dead_letter::DeadLetterReason;

/// Failure of the sink, of the checkpoint topic, or of another topic.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KafkaError {
    /// A property would break a guarantee, or is set by the connector.
    #[error("{key} may not be set: {why}")]
    PropertyNotAllowed {
        /// Name of the property.
        key: String,
        /// Reason for which it may not be set.
        why: &'static str,
    },
    /// librdkafka rejects a property.
    #[error("{key}: {reason}")]
    PropertyInvalid {
        /// Name of the property.
        key: String,
        /// Text of librdkafka.
        reason: String,
    },
    /// librdkafka rejects the combination of properties.
    #[error("the kafka client cannot be set up: {reason}")]
    ClientRejected {
        /// Text of librdkafka.
        reason: String,
    },
    /// The operating system cannot start a thread or a timer.
    #[error("the producer thread cannot be started: {source}")]
    Thread {
        /// Error of the operating system.
        #[source]
        source: std::io::Error,
    },
    /// The producer thread or a task of the runtime has ended.
    #[error("the producer thread has ended")]
    Stopped,
    /// An operation was called before the sink was opened, or after it failed.
    #[error("the producer is not open: {doing} needs a successful open first")]
    NotOpen {
        /// Operation that was called.
        doing: &'static str,
    },
    /// The caller no longer waits for the result.
    #[error("{doing} was cancelled")]
    Cancelled {
        /// Operation in progress.
        doing: &'static str,
    },
    /// No broker answers.
    #[error("{doing}: no answer from {brokers}: {reason}")]
    Unreachable {
        /// Operation in progress.
        doing: &'static str,
        /// Bootstrap addresses.
        brokers: String,
        /// Text of librdkafka.
        reason: String,
        /// Whether the brokers closed every connection at the first request, as they do when the client speaks another security
        /// protocol.
        may_speak_another_protocol: bool,
    },
    /// A broker rejected the credentials or the certificate, or the client rejected the broker's.
    #[error("authentication with {brokers} failed: {reason}")]
    Unauthenticated {
        /// Bootstrap addresses.
        brokers: String,
        /// Text of librdkafka.
        reason: String,
        /// Whether authentication has succeeded before: the broker may only be starting then.
        authenticated_before: bool,
    },
    /// The client is authenticated, but not authorized.
    #[error("not allowed to {operation} {resource}; grant the connector's user {operation} on {resource}")]
    Unauthorized {
        /// Operation, as Kafka's ACLs name it.
        operation: &'static str,
        /// Resource, such as `topic shop.public.orders`.
        resource: String,
    },
    /// Another instance with the same name has taken over.
    #[error("fenced: another instance with {transactional_id} has taken over")]
    Fenced {
        /// Transactional id of both instances.
        transactional_id: String,
    },
    /// The broker aborted the transaction because it was open for longer than its timeout.
    #[error(
        "the kafka transaction was open for {} s and the broker aborted it (transaction.timeout.ms is {})",
        open.as_secs(), limit.as_millis()
    )]
    TransactionExpired {
        /// How long the transaction was open.
        open: Duration,
        /// `transaction.timeout.ms`.
        limit: Duration,
    },
    /// The transaction can only be aborted.
    #[error("{doing}: the kafka transaction must be aborted: {reason}")]
    MustAbort {
        /// Operation in progress.
        doing: &'static str,
        /// Text of librdkafka.
        reason: String,
    },
    /// The commit was requested, and no response was received.
    #[error(
        "whether the kafka transaction was committed is in doubt after {} s: {reason}; the next start reads the outcome from the checkpoint",
        waited.as_secs()
    )]
    CommitInDoubt {
        /// How long the response was awaited.
        waited: Duration,
        /// Text of librdkafka.
        reason: String,
    },
    /// A record was not written.
    #[error("a record for topic {topic} was not written: {reason}")]
    RecordFailed {
        /// Name of the topic.
        topic: String,
        /// Text of librdkafka.
        reason: String,
    },
    /// A record is larger than the producer or the topic allows.
    #[error("a record of {bytes} bytes for topic {topic} is larger than allowed")]
    RecordTooLarge {
        /// Name of the topic.
        topic: String,
        /// Size of key and value.
        bytes: usize,
        /// Header `walcast.id` of the record, if it was rejected on its own and not in one request with others.
        id: Option<String>,
    },
    /// The topic does not take a record: it is compacted and the record has no key, or another rule of the broker is broken.
    #[error("the broker rejects {} for topic {topic}: {reason}", record(id.as_deref(), *has_key))]
    RecordInvalid {
        /// Name of the topic.
        topic: String,
        /// Whether the record has a key.
        has_key: bool,
        /// Text of librdkafka.
        reason: String,
        /// Header `walcast.id` of the record, if it was the only one that was rejected.
        id: Option<String>,
    },
    /// A topic does not exist, or was deleted.
    #[error("topic {topic} does not exist on the broker")]
    UnknownTopic {
        /// Name of the topic.
        topic: String,
    },
    /// A topic does not exist, and the configuration forbids creating it.
    #[error(
        "topic {topic} does not exist, and topics are not created automatically; create it with: {command}"
    )]
    TopicNotCreated {
        /// Name of the topic.
        topic: String,
        /// Command that creates the topic.
        command: String,
    },
    /// A topic cannot be created as configured.
    #[error("topic {topic} cannot be created: {reason}")]
    TopicRejected {
        /// Name of the topic.
        topic: String,
        /// Text of the broker.
        reason: String,
        /// Command that creates the topic.
        command: String,
        /// Whether too few brokers are alive for the replication factor. Where the checkpoint topic was created with the same
        /// factor they are only down: a restarting cluster reports this until its brokers are back.
        lacks_brokers: bool,
        /// Whether the broker refuses this topic, and not the settings with which it would be created.
        is_refused: bool,
    },
    /// The checkpoint topic has several partitions, and so no order of positions.
    #[error(
        "checkpoint topic {topic} has {found} partitions, but checkpoints have an order within one partition only"
    )]
    CheckpointPartitions {
        /// Name of the topic.
        topic: String,
        /// Number of its partitions.
        found: usize,
    },
    /// The checkpoint topic is not compacted, so retention would delete checkpoints.
    #[error(
        "checkpoint topic {topic} has cleanup.policy={found}, which would delete checkpoints; run: \
         kafka-configs.sh {} --alter {} --add-config cleanup.policy=compact",
        shell::option("--bootstrap-server", brokers),
        shell::option("--topic", topic)
    )]
    CheckpointPolicy {
        /// Name of the topic.
        topic: String,
        /// Value of `cleanup.policy`.
        found: String,
        /// Bootstrap addresses.
        brokers: String,
    },
    /// Another producer's open transaction hides the end of a topic.
    #[error(
        "the end of topic {topic} cannot be read yet: another producer's transaction has been open since before offset {end}; \
         the transaction ends when that producer starts again or when it times out"
    )]
    EndHidden {
        /// Name of the topic.
        topic: String,
        /// Log end offset.
        end: i64,
    },
    /// A checkpoint record cannot be decoded.
    #[error("the checkpoint record {key} cannot be read: {source}")]
    CheckpointUnreadable {
        /// Key of the record.
        key: String,
        /// Error of the decoder.
        #[source]
        source: serde_json::Error,
    },
    /// The checkpoint was written by a later version.
    #[error(
        "the checkpoint has format version {found}, and the latest that can be read is {known}; use the version that wrote it"
    )]
    CheckpointVersion {
        /// Format version of the checkpoint.
        found: u32,
        /// Latest format version that can be read.
        known: u32,
    },
    /// The broker rejected a request, and would reject it again.
    #[error("{doing}: the broker rejected the request: {reason}")]
    Rejected {
        /// Operation in progress.
        doing: &'static str,
        /// Text of librdkafka.
        reason: String,
    },
    /// A transient failure.
    #[error("{doing}: {reason}")]
    Failed {
        /// Operation in progress.
        doing: &'static str,
        /// Text of librdkafka.
        reason: String,
    },
}

impl PortError for KafkaError {
    fn disposition(&self) -> Disposition {
        let is_retryable = match self {
            Self::Cancelled { .. }
            | Self::NotOpen { .. }
            | Self::Unreachable { .. }
            | Self::TransactionExpired { .. }
            | Self::MustAbort { .. }
            | Self::CommitInDoubt { .. }
            | Self::RecordFailed { .. }
            // The topic is ensured again before the next attempt.
            | Self::UnknownTopic { .. }
            | Self::EndHidden { .. }
            | Self::Failed { .. } => true,
            Self::Unauthenticated { authenticated_before, .. } => *authenticated_before,
            Self::TopicRejected { lacks_brokers, .. } => *lacks_brokers,
            Self::Fenced { .. } => return Disposition::Fenced,
            // Without the checkpoint it is not known which changes were delivered.
            Self::RecordTooLarge { .. }
            | Self::RecordInvalid { .. }
            | Self::CheckpointUnreadable { .. }
            | Self::CheckpointVersion { .. } => return Disposition::Halt,
            Self::PropertyNotAllowed { .. }
            | Self::PropertyInvalid { .. }
            | Self::ClientRejected { .. }
            | Self::Thread { .. }
            | Self::Stopped
            | Self::Unauthorized { .. }
            | Self::TopicNotCreated { .. }
            | Self::CheckpointPartitions { .. }
            | Self::CheckpointPolicy { .. }
            | Self::Rejected { .. } => false,
        };
        if is_retryable {
            Disposition::Retry
        } else {
            Disposition::Stop
        }
    }

    fn detail(&self) -> Option<Detail<'_>> {
        let (id, reason) = match self {
            Self::RecordTooLarge { id, .. } => (id, DeadLetterReason::Size),
            Self::RecordInvalid { id, .. } => (id, DeadLetterReason::Mapping),
            Self::TopicNotCreated { topic, .. } => {
                return Some(Detail::TopicUnusable {
                    topic,
                    is_refused: false,
                });
            }
            Self::TopicRejected {
                topic,
                lacks_brokers: false,
                is_refused,
                ..
            } => {
                return Some(Detail::TopicUnusable {
                    topic,
                    is_refused: *is_refused,
                });
            }
            Self::Unauthorized { resource, .. } => {
                let topic = resource.strip_prefix("topic ")?;
                return Some(Detail::TopicUnusable {
                    topic,
                    is_refused: true,
                });
            }
            _ => return None,
        };
        id.as_deref().map(|id| Detail::RejectedRecord { id, reason })
    }
}

/// Description of a rejected record by its `walcast.id`: the commit LSN and the ordinal of its change.
fn record(id: Option<&str>, has_key: bool) -> String {
    let record = id.map_or_else(|| "a record".to_owned(), |id| format!("record {id} (walcast.id)"));
    match has_key {
        true => record,
        false => format!("{record}, which has no key,"),
    }
}
