//! Reason why a value cannot be written.

use walcast_pgoutput::Oid;

/// Reason why a value cannot be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ValueError {
    /// The value is not of the named kind.
    Value(&'static str),
    /// The value is a label of this enum that the schema does not list.
    UnknownLabel(Oid),
    /// Values of this column are not sent.
    Discarded,
}
