//! Ports of outboxes that are polled: their tables, and the place that takes their events.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::future::Future;

use tokio::sync::watch;
use walcast_mapper::RecordBuffer;
use walcast_pgoutput::Lsn;

use crate::polling::backlog::Backlog;
use crate::polling::claim::{Claim, ClaimedRows, HashRange, PolledTable, RowKey};
use crate::port_error::BoxedPortError;
use crate::position::checkpoint::CheckpointUpdate;

/// Server with outboxes that are polled.
pub trait PolledSource {
    /// Session of a worker.
    type Claims: PolledClaims;
    /// Session that claims the rows of one position.
    type AtPosition: PolledClaims;

    /// Connects and waits, as a standby, until this instance leads. Leadership ends with the connection ([`PolledSource::lost`]).
    fn acquire_leadership(&mut self) -> impl Future<Output = Result<(), BoxedPortError>>;

    /// Releases leadership and everything else that is held.
    fn step_down(&mut self);

    /// Outboxes that the rules select, each with a primary key and with the columns that its rule names.
    fn tables(&mut self) -> impl Future<Output = Result<Vec<PolledTable>, BoxedPortError>>;

    /// Opens the session of a worker.
    fn claims(&self) -> impl Future<Output = Result<Self::Claims, BoxedPortError>>;

    /// Session that claims the rows which committed before one position, and the position. Waits until the transactions that run now have
    /// ended.
    fn rows_at_position(&self) -> impl Future<Output = Result<(Lsn, Self::AtPosition), BoxedPortError>>;

    /// Marks rows whose events are in Kafka, those that are not marked yet, and returns their number. Waits for other sessions that hold
    /// them.
    fn mark(&self, table: &PolledTable, keys: &[RowKey])
    -> impl Future<Output = Result<u64, BoxedPortError>>;

    /// Backlog of an outbox.
    fn backlog(&self, table: &PolledTable) -> impl Future<Output = Result<Backlog, BoxedPortError>>;

    /// Waits until leadership is lost, and returns the reason. Cancel-safe.
    fn lost(&self) -> impl Future<Output = BoxedPortError>;

    /// Counts notifications of new rows in [`PolledSource::woken`]. Cancel-safe.
    fn listen(&self) -> impl Future<Output = Infallible>;

    /// Number of notifications of new rows, which changes with each.
    fn woken(&self) -> watch::Receiver<u64>;
}

/// Session of a worker, with one transaction at a time.
pub trait PolledClaims {
    /// Begins a transaction and locks the next rows of a range, in the order of the outbox. Rows that are locked by another session,
    /// and rows after them, are left out, and so are rows before which a running transaction can still add one. The transaction is open
    /// afterwards if there are rows.
    fn claim(
        &mut self,
        table: &PolledTable,
        range: HashRange,
    ) -> impl Future<Output = Result<ClaimedRows, BoxedPortError>>;

    /// Marks the claimed rows and commits the transaction.
    fn mark(
        &mut self,
        table: &PolledTable,
        keys: &[RowKey],
    ) -> impl Future<Output = Result<(), BoxedPortError>>;
}

/// Place that takes the events of polled outboxes, with the claims of the workers.
pub trait PolledTarget {
    /// Producer of a worker.
    type Sink: PolledSink;

    /// Opens the producer of a worker: fences the producer that the same worker had before, and ends its transaction.
    fn open(&mut self, worker: u32) -> impl Future<Output = Result<Self::Sink, BoxedPortError>>;

    /// Last claim of each worker that ever published. Transactions that are open at the time of the call are waited for.
    fn claims(&mut self) -> impl Future<Output = Result<BTreeMap<u32, Claim>, BoxedPortError>>;

    /// Position of the checkpoint of this connector; `None` if it has none. A connector that polls must not have one.
    fn checkpoint(&mut self) -> impl Future<Output = Result<Option<Lsn>, BoxedPortError>>;
}

/// Producer of a worker.
pub trait PolledSink {
    /// Makes events and the claim that covers them durable, all or nothing, and returns the cleared batch. After an error the worker must
    /// be opened again, and [`PolledTarget::claims`] shows which events are durable.
    fn commit(
        &mut self,
        events: RecordBuffer,
        claim: &Claim,
    ) -> impl Future<Output = Result<RecordBuffer, BoxedPortError>>;

    /// Makes a checkpoint durable and deletes the claims of these workers, all or nothing. It fails if another instance has opened this
    /// worker since.
    fn hand_over(
        &mut self,
        update: &CheckpointUpdate,
        workers: &BTreeSet<u32>,
    ) -> impl Future<Output = Result<(), BoxedPortError>>;
}
