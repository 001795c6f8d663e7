//! Port of the place to which records are delivered.

use std::future::Future;

use walcast_mapper::RecordBuffer;

use crate::port_error::BoxedPortError;
use crate::position::checkpoint::{CheckpointLog, CheckpointUpdate};

/// Sink of records, with one transaction for records and checkpoint: [`Sink::commit`] joins both. Where the checkpoint is
/// kept is the decision of the sink; [`CheckpointStore`](crate::CheckpointStore) reads it there without a sink.
pub trait Sink {
    /// Fences earlier instances, ends their open transaction and reads the checkpoint log to its end. Only behind the fence
    /// is that log final, so that no other call yields the checkpoint to continue from.
    fn open(&mut self) -> impl Future<Output = Result<CheckpointLog, BoxedPortError>>;

    /// Hands records over, beginning a transaction if none is open, and returns the cleared batch. A full producer queue is
    /// waited for. Not cancel-safe: after a dropped future only [`Sink::abort`] or [`Sink::open`] may follow.
    fn write(&mut self, batch: RecordBuffer) -> impl Future<Output = Result<RecordBuffer, BoxedPortError>>;

    /// Makes everything written since the last commit and this checkpoint durable, all or nothing. Not cancel-safe.
    fn commit(&mut self, update: &CheckpointUpdate) -> impl Future<Output = Result<(), BoxedPortError>>;

    /// Aborts what was written since the last commit. Nothing to do when no transaction is open.
    fn abort(&mut self) -> impl Future<Output = Result<(), BoxedPortError>>;
}
