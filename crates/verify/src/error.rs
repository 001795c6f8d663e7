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

#[cfg(test)]
mod tests {
    use walcast_delivery::DeliveryError;
    use walcast_pgoutput::CopyError;

    use super::*;

    #[test]
    fn texts_name_the_table_and_the_cause() {
        let table = TableName {
            namespace: "public".to_owned(),
            name: "items".to_owned(),
        };
        let copied = DeliveryError::CopiedRow {
            table: table.clone(),
            source: CopyError::Place,
        };
        let mapped = MapError::NullInNotNull {
            table: table.clone(),
            column: "note".to_owned(),
        };
        let own = VerifyError::OwnRecord {
            table,
            source: DatumError::NotAvro,
        };
        for (error, parts) in [
            (VerifyError::Delivery(copied), ["public.items", "ctid"]),
            (VerifyError::Map(mapped), ["public.items", "note"]),
            (own, ["public.items", "id of a schema"]),
            (
                VerifyError::from(io::Error::other("full")),
                ["temporary file", "full"],
            ),
        ] {
            let text = error.to_string();
            assert!(parts.iter().all(|part| text.contains(part)), "{text}");
        }
    }
}
