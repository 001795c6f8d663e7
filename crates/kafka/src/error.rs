//! What goes wrong on the Kafka side, and whether trying again can help.

use std::time::Duration;

use walcast_delivery::Fault;

/// A failure of the sink, the checkpoint topic, or a topic.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KafkaError {
    /// A property would break the guarantee, or is set elsewhere.
    #[error("[kafka.properties] {key} may not be set: {why}")]
    PropertyRefused {
        /// The property.
        key: String,
        /// What it would do.
        why: &'static str,
    },
    /// librdkafka does not take a property.
    #[error("[kafka.properties] {key}: {reason}")]
    PropertyRejected {
        /// The property.
        key: String,
        /// librdkafka's words.
        reason: String,
    },
    /// librdkafka does not take the properties together.
    #[error("the kafka client cannot be set up: {reason}; correct [kafka.properties]")]
    ClientRejected {
        /// librdkafka's words.
        reason: String,
    },
    /// The system gives no thread or timer.
    #[error("the producer thread cannot be started: {source}")]
    Thread {
        /// The system's words.
        #[source]
        source: std::io::Error,
    },
    /// The producer thread or a task of the runtime has ended.
    #[error("the producer thread has ended")]
    Stopped,
    /// Something was written before the sink was opened, or after it failed.
    #[error("the producer is not open: {doing} needs a successful open first")]
    NotOpen {
        /// What was asked for.
        doing: &'static str,
    },
    /// Nobody waits for the answer any more.
    #[error("{doing} was given up")]
    Abandoned {
        /// What was under way.
        doing: &'static str,
    },
    /// No broker answers.
    #[error("{doing}: no answer from {brokers}: {reason}")]
    Unreachable {
        /// What was under way.
        doing: &'static str,
        /// The bootstrap addresses.
        brokers: String,
        /// librdkafka's words.
        reason: String,
    },
    /// A broker does not let us in.
    #[error(
        "{brokers} refuses to let us in: {reason}; check security.protocol, sasl.* and ssl.* of [kafka.properties]"
    )]
    Unauthenticated {
        /// The bootstrap addresses.
        brokers: String,
        /// librdkafka's words.
        reason: String,
        /// Whether it did before, so that it may be a broker that is only starting.
        was_let_in: bool,
    },
    /// We are known, but not allowed.
    #[error("not allowed to {operation} {resource}; grant the connector's user {operation} on {resource}")]
    Unauthorized {
        /// The operation, in Kafka's words.
        operation: &'static str,
        /// What it was tried on, such as `topic shop.public.orders`.
        resource: String,
    },
    /// Another instance with the same name has taken over.
    #[error("fenced: another instance with {transactional_id} has taken over")]
    Fenced {
        /// The shared id.
        transactional_id: String,
    },
    /// The broker aborted the transaction because it was open for too long.
    #[error(
        "the kafka transaction was open for {} s and the broker aborted it ([kafka] transaction_timeout_ms is {} ms)",
        open.as_secs(), limit.as_millis()
    )]
    TransactionExpired {
        /// How long it was open.
        open: Duration,
        /// `transaction.timeout.ms`.
        limit: Duration,
    },
    /// The transaction can only be aborted.
    #[error("{doing}: the kafka transaction must be aborted: {reason}")]
    MustAbort {
        /// What was under way.
        doing: &'static str,
        /// librdkafka's words.
        reason: String,
    },
    /// The commit was asked for, and the answer did not come.
    #[error(
        "whether the kafka transaction was committed is in doubt after {} s: {reason}; the next start finds out from the checkpoint",
        waited.as_secs()
    )]
    CommitInDoubt {
        /// How long the answer was waited for.
        waited: Duration,
        /// librdkafka's words.
        reason: String,
    },
    /// A record was not taken.
    #[error("a record for topic {topic} was not written: {reason}")]
    RecordFailed {
        /// The topic.
        topic: String,
        /// librdkafka's words.
        reason: String,
    },
    /// A record is larger than Kafka is set to take.
    #[error(
        "a record of {bytes} bytes for topic {topic} is larger than allowed: raise message.max.bytes of [kafka.properties] \
         and max.message.bytes of the topic (message.max.bytes of the broker) above it, then start again"
    )]
    RecordTooLarge {
        /// The topic.
        topic: String,
        /// Key and value together.
        bytes: usize,
        /// Its header `walcast.id`, where it was refused for itself and not in the company of others.
        id: Option<String>,
    },
    /// A topic is gone.
    #[error("topic {topic} does not exist on the broker; create it, or set create = true in [kafka.topics]")]
    UnknownTopic {
        /// The topic.
        topic: String,
    },
    /// A topic is missing, and none may be created.
    #[error("topic {topic} does not exist and create = false; create it with: {command}")]
    TopicNotCreated {
        /// The topic.
        topic: String,
        /// The command that creates it.
        command: String,
    },
    /// A topic cannot be created as configured.
    #[error(
        "topic {topic} cannot be created: {reason}; correct [kafka.topics], or create it with: {command}"
    )]
    TopicRefused {
        /// The topic.
        topic: String,
        /// The broker's words.
        reason: String,
        /// The command that creates it.
        command: String,
        /// Whether it is that too few brokers are there. Where the checkpoint topic could be created with the same
        /// replication, they have only gone away: a cluster that restarts says so until its brokers are back.
        lacks_brokers: bool,
    },
    /// The checkpoint topic cannot keep one order of positions.
    #[error(
        "checkpoint topic {topic} has {found} partitions, but positions have one order only in one: stop every connector that uses it, \
         delete it if no checkpoint in it is needed, or set another [kafka] topic_prefix"
    )]
    CheckpointPartitions {
        /// The topic.
        topic: String,
        /// How many it has.
        found: usize,
    },
    /// The checkpoint topic would forget.
    #[error(
        "checkpoint topic {topic} has cleanup.policy={found}, which would delete checkpoints; run: \
         kafka-configs.sh --bootstrap-server {brokers} --alter --topic {topic} --add-config cleanup.policy=compact"
    )]
    CheckpointPolicy {
        /// The topic.
        topic: String,
        /// Its setting.
        found: String,
        /// The bootstrap addresses.
        brokers: String,
    },
    /// Another producer's open transaction hides the end of the checkpoint topic.
    #[error(
        "the end of checkpoint topic {topic} cannot be read yet: another connector's transaction on it is open since before offset {end}; \
         it ends when that connector starts again or its transaction times out"
    )]
    CheckpointHidden {
        /// The topic.
        topic: String,
        /// The end of the log.
        end: i64,
    },
    /// A checkpoint cannot be read.
    #[error("the checkpoint record {key} cannot be read: {source}")]
    CheckpointUnreadable {
        /// The record's key.
        key: String,
        /// What is wrong.
        #[source]
        source: serde_json::Error,
    },
    /// The checkpoint was written by a later version.
    #[error(
        "the checkpoint has format version {found}, this walcast reads up to {known}; use the version of walcast that wrote it"
    )]
    CheckpointVersion {
        /// The checkpoint's.
        found: u32,
        /// The latest this version knows.
        known: u32,
    },
    /// The broker cannot do what is asked of it, now or later.
    #[error("{doing}: the broker refuses: {reason}")]
    Refused {
        /// What was under way.
        doing: &'static str,
        /// librdkafka's words.
        reason: String,
    },
    /// Something failed that may pass.
    #[error("{doing}: {reason}")]
    Failed {
        /// What was under way.
        doing: &'static str,
        /// librdkafka's words.
        reason: String,
    },
}

impl Fault for KafkaError {
    fn is_retryable(&self) -> bool {
        match self {
            Self::Abandoned { .. }
            | Self::NotOpen { .. }
            | Self::Unreachable { .. }
            | Self::TransactionExpired { .. }
            | Self::MustAbort { .. }
            | Self::CommitInDoubt { .. }
            | Self::RecordFailed { .. }
            // It is made sure of again before the next attempt.
            | Self::UnknownTopic { .. }
            | Self::CheckpointHidden { .. }
            | Self::Failed { .. } => true,
            Self::Unauthenticated { was_let_in, .. } => *was_let_in,
            Self::TopicRefused { lacks_brokers, .. } => *lacks_brokers,
            Self::PropertyRefused { .. }
            | Self::PropertyRejected { .. }
            | Self::ClientRejected { .. }
            | Self::Thread { .. }
            | Self::Stopped
            | Self::Unauthorized { .. }
            | Self::Fenced { .. }
            | Self::RecordTooLarge { .. }
            | Self::TopicNotCreated { .. }
            | Self::CheckpointPartitions { .. }
            | Self::CheckpointPolicy { .. }
            | Self::CheckpointUnreadable { .. }
            | Self::CheckpointVersion { .. }
            | Self::Refused { .. } => false,
        }
    }

    fn is_fenced(&self) -> bool {
        matches!(self, Self::Fenced { .. })
    }

    fn halts(&self) -> bool {
        matches!(self, Self::RecordTooLarge { .. })
    }

    fn refused_record(&self) -> Option<&str> {
        match self {
            Self::RecordTooLarge { id, .. } => id.as_deref(),
            _ => None,
        }
    }
}
