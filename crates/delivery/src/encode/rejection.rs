//! Rejections: changes that are not delivered because of the change or its table, not because of the way to Kafka.

use walcast_mapper::dead_letter::DeadLetterReason;

/// Reason why a change has no record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Rejection {
    pub(crate) reason: DeadLetterReason,
    pub(crate) error: String,
}

impl Rejection {
    /// Rejection of a change whose record Kafka did not accept.
    pub(crate) fn by_kafka(reason: DeadLetterReason, error: &str) -> Self {
        Self {
            reason,
            error: error.to_owned(),
        }
    }
}
