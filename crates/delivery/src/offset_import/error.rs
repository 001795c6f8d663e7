//! Errors of an import.

use crate::error::DeliveryError;
use crate::offset_import::rejection::ImportRejected;

/// Error of an import.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImportError {
    /// The import would lose, double or invent changes.
    #[error(transparent)]
    Rejected(#[from] ImportRejected),
    /// A port failed, or the connector would halt at its first start.
    #[error(transparent)]
    Delivery(#[from] DeliveryError),
}
