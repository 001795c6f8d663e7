//! The port to the WAL that the slot retains.

use std::future::Future;

use crate::port_error::BoxedPortError;
use crate::slot_monitor::sample::WalSample;

/// Samples of the WAL that the slot retains, for as long as the connector has leadership: also between two streams, while Kafka is
/// unavailable, because that is when a slot is lost.
pub trait WalWatch {
    /// The next sample; `None` if the connector does not have leadership, the server is unavailable, or the slot does not exist.
    /// Cancel-safe.
    fn sample(&mut self) -> impl Future<Output = Result<Option<WalSample>, BoxedPortError>>;
}
