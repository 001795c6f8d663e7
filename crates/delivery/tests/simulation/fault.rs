//! What a modelled system says when it fails.

use walcast_delivery::Fault;

/// A fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SimFault {
    /// Time can heal it.
    #[error("{0}")]
    Passing(&'static str),
    /// Somebody has to do something.
    #[error("{0}")]
    Lasting(&'static str),
    /// Another instance has taken over.
    #[error("producer fenced")]
    Fenced,
    /// The registry refuses a schema.
    #[error("schema refused")]
    Refused,
}

impl SimFault {
    pub(crate) fn text(self) -> &'static str {
        match self {
            SimFault::Passing(text) | SimFault::Lasting(text) => text,
            SimFault::Fenced => "fenced",
            SimFault::Refused => "refused",
        }
    }
}

impl Fault for SimFault {
    fn is_retryable(&self) -> bool {
        // A fence says that trying again can help, so that only `is_fenced` is what keeps the connector from it.
        matches!(self, SimFault::Passing(_) | SimFault::Fenced)
    }

    fn is_fenced(&self) -> bool {
        *self == SimFault::Fenced
    }

    fn is_incompatible(&self) -> bool {
        *self == SimFault::Refused
    }

    fn halts(&self) -> bool {
        *self == SimFault::Refused
    }
}
