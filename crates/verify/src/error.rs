//! Errors of a comparison.

use std::io;

use walcast_delivery::DeliveryError;
use walcast_mapper::{MapError, TableName};

use crate::datum::DatumError;

/// Failure of a comparison. A difference is none.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VerifyError {
    /// The source cannot be read.
    #[error("{0}")]
    Delivery(#[source] DeliveryError),
    /// A row of the source makes no record.
    #[error("{0}")]
    Map(#[source] MapError),
    /// The record of a row of the source cannot be decoded.
    #[error("the record of a row of {table} cannot be decoded: {source}")]
    OwnRecord {
        /// The table.
        table: TableName,
        /// Cause.
        #[source]
        source: DatumError,
    },
    /// A temporary file cannot be written or read.
    #[error("a temporary file cannot be used: {0}")]
    File(#[from] io::Error),
}
