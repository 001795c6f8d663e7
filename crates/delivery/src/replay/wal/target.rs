//! The port to which a replay sends.

use std::future::Future;

use walcast_mapper::RecordBuffer;

use crate::port_error::BoxedPortError;
use crate::replay::wal::place::ReplayPlace;

/// Where the records of a replay are sent, and its place is stored.
pub trait ReplayTarget {
    /// Sends records in their order and stores the place behind them, in one transaction. `is_end`: nothing of the window is left.
    fn send(
        &mut self,
        records: &RecordBuffer,
        place: ReplayPlace,
        is_end: bool,
    ) -> impl Future<Output = Result<(), BoxedPortError>>;
}
