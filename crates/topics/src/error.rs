//! Errors of reading topics.

use walcast_kafka::{KafkaError, RegistryError};

/// Failure of reading topics. What a record contains is never an error: a record that cannot be decoded is
/// [foreign](crate::Content::Foreign).
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TopicsError {
    /// The topic cannot be read.
    #[error("{0}")]
    Kafka(#[source] KafkaError),
    /// A schema cannot be looked up.
    #[error("{0}")]
    Registry(#[source] RegistryError),
}

impl From<KafkaError> for TopicsError {
    fn from(error: KafkaError) -> Self {
        Self::Kafka(error)
    }
}

impl From<RegistryError> for TopicsError {
    fn from(error: RegistryError) -> Self {
        Self::Registry(error)
    }
}
