//! The edge to what a slot costs its server.

use std::future::Future;

use super::BoxedFault;
use crate::WalLook;

/// Eyes on the log that the slot holds back, for as long as the connector leads: also between two streams, while Kafka is
/// away, because that is when a slot is lost.
pub trait WalWatch {
    /// Looks at it. `None`: there is nothing to look at, because the connector does not lead, the server is away, or the slot
    /// is not there. Cancel-safe.
    fn look(&mut self) -> impl Future<Output = Result<Option<WalLook>, BoxedFault>>;
}
