//! Port of the place that keeps the checkpoints.

use std::future::Future;

use crate::port_error::BoxedPortError;
use crate::position::checkpoint::CheckpointLog;

/// Store of a connector's checkpoints, as a reader uses it: without a producer, and without disturbing an instance that runs.
/// Checkpoints are written by [`Sink::commit`](crate::Sink::commit) alone, in one transaction with the records that they cover.
pub trait CheckpointStore {
    /// Log as it is visible now. Nothing is waited for: an instance that leads elsewhere may be about to write more, and
    /// what lies behind an open transaction is left out.
    fn peek(&self) -> impl Future<Output = Result<CheckpointLog, BoxedPortError>>;

    /// Log with everything that was written before the call. Transactions that are open then are waited for.
    fn read(&self) -> impl Future<Output = Result<CheckpointLog, BoxedPortError>>;
}
