//! Classes of librdkafka's error codes, by how each is handled.

use rdkafka::error::KafkaError as ClientError;
use rdkafka::types::RDKafkaErrorCode as Code;

/// Class of an error code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ErrorClass {
    /// Another producer with the same transactional id was started, or the broker aborted an expired transaction.
    Fenced,
    /// Authentication failed.
    Unauthenticated,
    /// The operation is not authorized.
    Unauthorized,
    /// The record is too large.
    TooLarge,
    /// The topic does not take the record.
    InvalidRecord,
    /// The topic does not exist.
    UnknownTopic,
    /// No broker answers.
    Unreachable,
    /// The broker rejected the request, and would reject it again.
    Rejected,
    /// A transient failure.
    Transient,
}

impl ErrorClass {
    /// Class of a code. A code that is not listed counts as transient: a new producer starts from the checkpoint and loses
    /// nothing.
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
            Code::InvalidRecord => Self::InvalidRecord,
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
            | Code::PolicyViolation
            | Code::SecurityDisabled => Self::Rejected,
            _ => Self::Transient,
        }
    }
}

/// Whether a consumer that returns this error continues behind records that it could not read: their checksum is wrong, or their
/// compression is invalid.
pub(crate) fn skips_records(code: Code) -> bool {
    matches!(code, Code::BadMessage | Code::BadCompression)
}

/// Whether librdkafka could not parse the response of a broker.
pub(crate) fn is_invalid_response(code: Code) -> bool {
    matches!(code, Code::BadMessage | Code::Underflow)
}

/// Whether a transactional call that failed with this error may be repeated.
pub(crate) fn is_retriable(error: &ClientError) -> bool {
    match error {
        ClientError::Transaction(cause) => cause.is_retriable(),
        // The flush before a commit ran out of time.
        ClientError::Flush(_) => true,
        _ => false,
    }
}
