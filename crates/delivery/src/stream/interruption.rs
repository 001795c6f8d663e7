//! Why ingest ends before it is asked to.

use crate::batch::queue::CommitterGone;
use crate::error::DeliveryError;

/// Reason for which ingest ends.
#[derive(Debug)]
pub(crate) enum Interruption {
    /// The stream, the catalog, the registry or a row.
    Failed(DeliveryError),
    /// The committer has ended; its error is the cause.
    CommitterGone,
    /// The stream must be restarted from the checkpoint, so that the server publishes new tables.
    Restart,
}

impl From<DeliveryError> for Interruption {
    fn from(error: DeliveryError) -> Self {
        Self::Failed(error)
    }
}

impl From<CommitterGone> for Interruption {
    fn from(_: CommitterGone) -> Self {
        Self::CommitterGone
    }
}
