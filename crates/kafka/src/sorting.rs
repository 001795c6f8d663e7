//! Sorts librdkafka's error codes by what can be done about them.

use rdkafka::types::RDKafkaErrorCode as Code;

/// What an error code asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Another producer with our transactional id was started, or the broker aborted an expired transaction.
    Fenced,
    /// The broker does not know or believe us.
    Unauthenticated,
    /// We may not do this.
    Unauthorized,
    /// The record is too large.
    TooLarge,
    /// The topic does not exist.
    UnknownTopic,
    /// Nobody answers.
    Unreachable,
    /// It will not work later either.
    Refused,
    /// It may pass.
    Passing,
}

impl Kind {
    /// Sorts a code. What is not listed may pass: a new producer starts from the checkpoint, and loses nothing.
    pub(crate) fn of(code: Code) -> Self {
        match code {
            Code::Fenced | Code::ProducerFenced | Code::InvalidProducerEpoch => Self::Fenced,
            Code::Authentication
            | Code::SaslAuthenticationFailed
            | Code::SSL
            | Code::UnsupportedSASLMechanism
            | Code::IllegalSASLState
            | Code::DelegationTokenExpired => Self::Unauthenticated,
            Code::TopicAuthorizationFailed
            | Code::GroupAuthorizationFailed
            | Code::ClusterAuthorizationFailed
            | Code::TransactionalIdAuthorizationFailed => Self::Unauthorized,
            Code::MessageSizeTooLarge | Code::MessageBatchTooLarge | Code::InvalidMessageSize => {
                Self::TooLarge
            }
            Code::UnknownTopic
            | Code::UnknownTopicOrPartition
            | Code::UnknownPartition
            | Code::UnknownTopicId => Self::UnknownTopic,
            Code::BrokerTransportFailure
            | Code::AllBrokersDown
            | Code::Resolve
            | Code::OperationTimedOut
            | Code::RequestTimedOut
            | Code::MessageTimedOut
            | Code::TimedOutQueue
            | Code::NetworkException => Self::Unreachable,
            Code::InvalidArgument
            | Code::NotImplemented
            | Code::NotConfigured
            | Code::UnsupportedFeature
            | Code::UnsupportedVersion
            | Code::UnsupportedForMessageFormat
            | Code::UnsupportedCompressionType
            | Code::InvalidTopic
            | Code::InvalidConfig
            | Code::InvalidPartitions
            | Code::InvalidReplicationFactor
            | Code::InvalidReplicaAssignment
            | Code::InvalidRequiredAcks
            | Code::InvalidTransactionTimeout
            | Code::InvalidRequest
            | Code::InvalidRecord
            | Code::PolicyViolation
            | Code::SecurityDisabled => Self::Refused,
            _ => Self::Passing,
        }
    }
}
