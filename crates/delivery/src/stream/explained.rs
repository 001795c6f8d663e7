//! Error of a change that cannot be encoded, with its place in the stream.

use walcast_pgoutput::Lsn;

use crate::encode::encode_error::EncodeError;
use crate::error::DeliveryError;
use crate::stream::transactions::TransactionReader;

/// Error with the open transaction of the reader, the position, and the end of what was read before.
pub(crate) fn explained(reader: &TransactionReader, lsn: Lsn, fault: EncodeError) -> DeliveryError {
    match (fault, reader.transaction()) {
        (EncodeError::Edge(error), _) => error,
        (EncodeError::Map(source), Some(transaction)) => DeliveryError::Map {
            after: reader.position(),
            lsn,
            xid: transaction.xid,
            commit_lsn: transaction.commit_lsn,
            source: Box::new(source),
        },
        // A table is refused only where its changes are dead letters, or where it is quarantined.
        (
            EncodeError::UnknownRelation
            | EncodeError::Refused(_)
            | EncodeError::RejectedTopic(_)
            | EncodeError::RefusedTopic(_)
            | EncodeError::Quarantined
            | EncodeError::Map(_),
            _,
        ) => reader.out_of_order("a change of a relation that was never described"),
    }
}
