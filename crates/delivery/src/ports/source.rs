//! Port of the Postgres server.

use std::future::Future;

use walcast_mapper::TableName;
use walcast_pgoutput::{FrameBlock, Lsn};

use crate::port_error::BoxedPortError;
use crate::ports::catalog::RowsCatalog;
use crate::ports::snapshots::Snapshots;
use crate::source_state::{SourceState, Timeline};

/// The Postgres server.
pub trait Source {
    /// The running stream.
    type Stream: ChangeStream;
    /// How positions are confirmed to the stream's server.
    type Feedback: Feedback;
    /// Catalog look-ups while the stream runs.
    type Catalog: RowsCatalog;
    /// Watch over slot and publication while the stream runs.
    type Watch: SourceWatch;
    /// How existing rows are read.
    type Snapshots: Snapshots;

    /// Connects and waits, as a standby, until this instance has leadership of the connector's name. Nothing that could
    /// disturb a healthy leader is done before. Leadership ends with the connection that holds it
    /// ([`SourceWatch::lost`]).
    fn acquire_leadership(&mut self) -> impl Future<Output = Result<(), BoxedPortError>>;

    /// Releases leadership, so that a standby instance may acquire it. The stream must have ended.
    fn step_down(&mut self);

    /// State of the server, the slot, the publication and the captured tables. `known` is the checkpoint's timeline:
    /// when the server's is another, the history is fetched with it.
    fn inspect(
        &mut self,
        known: Option<Timeline>,
    ) -> impl Future<Output = Result<SourceState, BoxedPortError>>;

    /// Creates the publication with exactly these tables.
    fn create_publication(
        &mut self,
        tables: &[TableName],
    ) -> impl Future<Output = Result<(), BoxedPortError>>;

    /// Adds tables to the publication, each that the server allows.
    fn publish(&mut self, tables: &[TableName]) -> impl Future<Output = Result<Published, BoxedPortError>>;

    /// Drops the publication created by [`Source::create_publication`] when the rest of the set-up failed.
    fn drop_publication(&mut self) -> impl Future<Output = Result<(), BoxedPortError>>;

    /// Creates the slot, and takes a snapshot at its consistent point where that is wanted.
    fn create_slot(
        &mut self,
        with_snapshot: bool,
    ) -> impl Future<Output = Result<CreatedSlot<Self>, BoxedPortError>>;

    /// Ends a creation of the slot that an instance of this connector has begun and not completed, this one included, whose call
    /// was dropped: the server then removes the slot. The creation of another client is left alone.
    fn end_slot_creation(&mut self) -> impl Future<Output = Result<(), BoxedPortError>>;

    /// Drops the slot.
    fn drop_slot(&mut self) -> impl Future<Output = Result<(), BoxedPortError>>;

    /// Position of the oldest bookmark that the server has; `None` if there is none.
    fn oldest_bookmark(&mut self) -> impl Future<Output = Result<Option<Lsn>, BoxedPortError>> {
        std::future::ready(Ok(None))
    }

    /// Starts streaming what was committed from `from` on. A slot that is still held by a connection that has just
    /// ended is waited for. Nothing is confirmed before the first [`Feedback::confirm`]: until then status updates
    /// carry `0/0` as flush position, because `from` may lie far beyond what may be confirmed.
    fn start(&mut self, from: Lsn) -> impl Future<Output = Result<Started<Self>, BoxedPortError>>;
}

/// Result of [`Source::publish`] and [`SourceWatch::publish`].
#[derive(Debug)]
pub struct Published {
    /// Position from which on changes of the added tables are streamed.
    pub since: Lsn,
    /// Tables that were not added.
    pub refused: Vec<Refused>,
}

/// Table that the server did not let the connector publish: another owner, a lock, or a table that cannot be published.
#[derive(Debug)]
pub struct Refused {
    /// The table.
    pub table: TableName,
    /// Error of the server.
    pub error: BoxedPortError,
}

/// Result of [`Source::create_slot`].
pub struct CreatedSlot<S: Source + ?Sized> {
    /// Every transaction that ends after it will be streamed.
    pub consistent_point: Lsn,
    /// The tables as of that position, when it was asked for.
    pub snapshot: Option<<S::Snapshots as Snapshots>::Snapshot>,
}

/// Result of [`Source::start`].
pub struct Started<S: Source + ?Sized> {
    /// The stream.
    pub stream: S::Stream,
    /// Confirms positions to its server.
    pub feedback: S::Feedback,
    /// Looks tables up.
    pub catalog: S::Catalog,
    /// Watches slot, publication and leadership.
    pub watch: S::Watch,
    /// Takes snapshots while the stream runs.
    pub snapshots: S::Snapshots,
}

/// A running replication stream. Keepalives are answered by the implementation, on a deadline, also while no caller awaits
/// [`ChangeStream::next`].
pub trait ChangeStream {
    /// The next frames, in order. Cancel-safe.
    fn next(&mut self) -> impl Future<Output = Result<FrameBlock, BoxedPortError>>;

    /// Sends the last confirmation, ends the stream cleanly and waits until the server has released the slot.
    fn stop(self) -> impl Future<Output = Result<(), BoxedPortError>>;
}

/// Confirmations to the walsender.
pub trait Feedback {
    /// Confirms that everything up to `flush` is durable in Kafka; sent soon and then with every status update.
    fn confirm(&self, flush: Lsn);
}

/// Watch over the source while a stream runs.
pub trait SourceWatch {
    /// As [`Source::inspect`], without timeline history.
    fn inspect(&mut self) -> impl Future<Output = Result<SourceState, BoxedPortError>>;

    /// Adds tables to the publication, each that the server allows. Never waits for a lock for longer than a few seconds, and
    /// keeps no other call waiting meanwhile.
    fn publish(&mut self, tables: &[TableName]) -> impl Future<Output = Result<Published, BoxedPortError>>;

    /// Ends only when leadership is lost, with the reason. Cancel-safe.
    fn lost(&mut self) -> impl Future<Output = BoxedPortError>;
}
