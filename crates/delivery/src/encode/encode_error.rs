//! Errors of encoding.

use walcast_mapper::MapError;
use walcast_mapper::dead_letter::DeadLetterReason;

use crate::describe::Describe;
use crate::encode::rejection::Rejection;
use crate::error::DeliveryError;
use crate::port_error::{Detail, Disposition};
use crate::quarantine::{QuarantineCause, QuarantineReason};

/// Reason why a change was not encoded.
#[derive(Debug)]
pub(crate) enum EncodeError {
    /// The row cannot be mapped.
    Map(MapError),
    /// The change or its table was rejected before.
    Refused(Rejection),
    /// Table metadata or schemas are not available.
    Edge(DeliveryError),
    /// Kafka rejected the topic of the table in an earlier session, with this error.
    RejectedTopic(String),
    /// Kafka refuses a topic that a row of an outbox names, with this error. Other rows may name other topics.
    RefusedTopic(String),
    /// The table of the row was quarantined because of it.
    Quarantined,
    /// No Relation message described the table.
    UnknownRelation,
}

impl EncodeError {
    /// Rejection that a dead letter carries, with the error as `describe` describes it; `None` if the error is not in the change
    /// or its table.
    pub(crate) fn rejection(&self, describe: Describe) -> Option<Rejection> {
        let (reason, error) = match self {
            EncodeError::Refused(rejection) => return Some(rejection.clone()),
            EncodeError::Map(error @ MapError::TooLarge { .. }) => {
                (DeadLetterReason::Size, describe.error(error))
            }
            EncodeError::Map(error) => (DeadLetterReason::Mapping, describe.error(error)),
            EncodeError::RefusedTopic(error) => (DeadLetterReason::Topic, error.clone()),
            EncodeError::Edge(error @ DeliveryError::Registry { fault, .. })
                if fault.disposition() == Disposition::Halt =>
            {
                (DeadLetterReason::Schema, describe.error(error))
            }
            EncodeError::Edge(_)
            | EncodeError::RejectedTopic(_)
            | EncodeError::Quarantined
            | EncodeError::UnknownRelation => return None,
        };
        Some(Rejection { reason, error })
    }

    /// Whether the change violates the order of a stream or the immutability of an event, or is an event that cannot be upcast.
    pub(crate) fn is_violation(&self) -> bool {
        let error = match self {
            EncodeError::Map(error) => error,
            _ => return false,
        };
        matches!(
            error,
            MapError::EventStoreViolation { .. } | MapError::EventStoreUpcast { .. }
        )
    }

    /// Error of an event that cannot be upcast.
    pub(crate) fn failed_upcast(&self) -> Option<&MapError> {
        match self {
            EncodeError::Map(error @ MapError::EventStoreUpcast { .. }) => Some(error),
            _ => None,
        }
    }

    /// Cause with which the table can be quarantined; `None` if the error is not in the change, its table or the topic of the table.
    pub(crate) fn quarantine_cause(&self, describe: Describe) -> Option<QuarantineCause> {
        let of_topic = match self {
            EncodeError::Edge(error) if matches!(error.detail(), Some(Detail::TopicUnusable { .. })) => {
                Some(describe.error(error))
            }
            EncodeError::RejectedTopic(error) => Some(error.clone()),
            _ => None,
        };
        if let Some(error) = of_topic {
            return Some(QuarantineCause::new(QuarantineReason::Topic, error));
        }
        let Rejection { reason, error } = self.rejection(describe)?;
        Some(QuarantineCause::new(reason, error))
    }
}

impl From<DeliveryError> for EncodeError {
    fn from(error: DeliveryError) -> Self {
        EncodeError::Edge(error)
    }
}
