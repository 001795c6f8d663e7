//! Errors of encoding.

use walcast_mapper::MapError;
use walcast_mapper::dead_letter::DeadLetterReason;

use crate::describe::Describe;
use crate::encode::rejection::Rejection;
use crate::error::DeliveryError;
use crate::port_error::Disposition;

/// Reason why a change was not encoded.
#[derive(Debug)]
pub(crate) enum EncodeError {
    /// The row cannot be mapped.
    Map(MapError),
    /// The change or its table was rejected before.
    Refused(Rejection),
    /// Table metadata or schemas are not available.
    Edge(DeliveryError),
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
            EncodeError::Edge(error @ DeliveryError::Registry { fault, .. })
                if fault.disposition() == Disposition::Halt =>
            {
                (DeadLetterReason::Schema, describe.error(error))
            }
            EncodeError::Edge(_) | EncodeError::UnknownRelation => return None,
        };
        Some(Rejection { reason, error })
    }
}

impl From<DeliveryError> for EncodeError {
    fn from(error: DeliveryError) -> Self {
        EncodeError::Edge(error)
    }
}
