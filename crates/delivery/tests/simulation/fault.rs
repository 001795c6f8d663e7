//! Errors of the modelled systems.

use walcast_delivery::{Detail, Disposition, PortError};

/// An error of a modelled system.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SimFault {
    /// A transient error.
    #[error("{0}")]
    Transient(&'static str),
    /// A permanent error, which an operator must fix.
    #[error("{0}")]
    Permanent(&'static str),
    /// Another instance has taken over.
    #[error("producer fenced")]
    Fenced,
    /// The registry rejects a schema.
    #[error("schema rejected")]
    Rejected,
}

impl SimFault {
    pub(crate) fn text(self) -> &'static str {
        match self {
            SimFault::Transient(text) | SimFault::Permanent(text) => text,
            SimFault::Fenced => "fenced",
            SimFault::Rejected => "rejected",
        }
    }
}

impl PortError for SimFault {
    fn disposition(&self) -> Disposition {
        match self {
            SimFault::Transient(_) => Disposition::Retry,
            SimFault::Permanent(_) => Disposition::Stop,
            SimFault::Fenced => Disposition::Fenced,
            SimFault::Rejected => Disposition::Halt,
        }
    }

    fn detail(&self) -> Option<Detail<'_>> {
        (*self == SimFault::Rejected).then_some(Detail::IncompatibleSchema)
    }
}
