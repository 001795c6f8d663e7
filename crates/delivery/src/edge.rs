//! The edges of the delivery protocol: what stands behind them is faked in simulations and real in production.

mod snapshots;
mod wal;

use std::error::Error;
use std::fmt;
use std::future::Future;

use walcast_mapper::{Batch, RecordLimits, SchemaId, TableFacts, TableName, Unsent};
use walcast_pgoutput::{FrameBlock, Lsn, Oid, Xid};

use crate::{CheckpointLog, CheckpointUpdate, Survey, Timeline};

pub use snapshots::{ChosenRows, CopiedRows, Opened, Snapshot, SnapshotTable, Snapshots};
pub use wal::WalWatch;

/// Something went wrong beyond an edge.
pub trait Fault: Error + Send + Sync + 'static {
    /// Whether trying again later, from the checkpoint, can help without anybody doing something.
    fn is_retryable(&self) -> bool;

    /// Whether another instance with the same name has taken over: this one must stop and never write again.
    fn is_fenced(&self) -> bool {
        false
    }

    /// Whether a schema registry refused a schema because it does not fit its subject's earlier ones.
    fn is_incompatible(&self) -> bool {
        false
    }

    /// Whether a change cannot be delivered as things are, so that going on would mean to leave it out.
    fn halts(&self) -> bool {
        false
    }

    /// Whether it lies in the rows that were asked for, or in the condition by which they were, and not in the server or the
    /// way to it.
    fn is_about_rows(&self) -> bool {
        false
    }

    /// The record that Kafka refused for its size, by its header `walcast.id`, where it is known for certain which one.
    fn refused_record(&self) -> Option<&str> {
        None
    }
}

/// Any fault; the connector needs to know only whether to retry, and what to print.
#[derive(Debug)]
pub struct BoxedFault(Box<dyn Fault>);

impl BoxedFault {
    /// See [`Fault::is_retryable`].
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        self.0.is_retryable()
    }

    /// See [`Fault::is_fenced`].
    #[must_use]
    pub fn is_fenced(&self) -> bool {
        self.0.is_fenced()
    }

    /// See [`Fault::is_incompatible`].
    #[must_use]
    pub fn is_incompatible(&self) -> bool {
        self.0.is_incompatible()
    }

    /// See [`Fault::halts`].
    #[must_use]
    pub fn halts(&self) -> bool {
        self.0.halts()
    }

    /// See [`Fault::is_about_rows`].
    #[must_use]
    pub fn is_about_rows(&self) -> bool {
        self.0.is_about_rows()
    }

    /// See [`Fault::refused_record`].
    #[must_use]
    pub fn refused_record(&self) -> Option<&str> {
        self.0.refused_record()
    }
}

impl<F: Fault> From<F> for BoxedFault {
    fn from(fault: F) -> Self {
        Self(Box::new(fault))
    }
}

impl fmt::Display for BoxedFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl Error for BoxedFault {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.0.source()
    }
}

/// The Postgres server.
pub trait Source {
    /// The running stream.
    type Stream: ChangeStream;
    /// How positions are confirmed to the stream's server.
    type Feedback: Feedback;
    /// Catalog look-ups while the stream runs.
    type Catalog: RowsCatalog;
    /// Eyes on slot and publication while the stream runs.
    type Watch: SourceWatch;
    /// How existing rows are read.
    type Snapshots: Snapshots;

    /// Connects and waits, as a standby, until this instance alone leads the connector's name. Nothing that could
    /// disturb a healthy leader is done before. Leadership ends with the connection that holds it
    /// ([`SourceWatch::lost`]).
    fn lead(&mut self) -> impl Future<Output = Result<(), BoxedFault>>;

    /// Gives leadership up, so that an instance that stands by may lead. Nothing of the stream may be left.
    fn resign(&mut self);

    /// Looks at the server, the slot, the publication and the captured tables. `known` is the checkpoint's timeline:
    /// when the server's is another, the history is fetched with it.
    fn survey(&mut self, known: Option<Timeline>) -> impl Future<Output = Result<Survey, BoxedFault>>;

    /// Creates the publication with exactly these tables.
    fn create_publication(&mut self, tables: &[TableName]) -> impl Future<Output = Result<(), BoxedFault>>;

    /// Adds tables to the publication.
    fn publish(&mut self, tables: &[TableName]) -> impl Future<Output = Result<(), BoxedFault>>;

    /// Takes back [`Source::create_publication`] when the rest of the set-up failed.
    fn drop_publication(&mut self) -> impl Future<Output = Result<(), BoxedFault>>;

    /// Creates the slot, and takes a snapshot at its consistent point where that is wanted.
    fn create_slot(
        &mut self,
        with_snapshot: bool,
    ) -> impl Future<Output = Result<CreatedSlot<Self>, BoxedFault>>;

    /// Drops the slot.
    fn drop_slot(&mut self) -> impl Future<Output = Result<(), BoxedFault>>;

    /// Starts streaming what was committed from `from` on. A slot that is still held by a connection that has just
    /// ended is waited for. Nothing is confirmed before the first [`Feedback::confirm`]: until then status updates
    /// carry `0/0` as flush position, because `from` may lie far beyond what the slot may be told.
    fn start(&mut self, from: Lsn) -> impl Future<Output = Result<Started<Self>, BoxedFault>>;
}

/// What [`Source::create_slot`] gives.
pub struct CreatedSlot<S: Source + ?Sized> {
    /// Every transaction that ends after it will be streamed.
    pub consistent_point: Lsn,
    /// The tables as of that position, when it was asked for.
    pub snapshot: Option<<S::Snapshots as Snapshots>::Snapshot>,
}

/// What [`Source::start`] gives.
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

/// A running replication stream. Keepalives are answered behind it, on a deadline, also while nobody calls
/// [`ChangeStream::next`].
pub trait ChangeStream {
    /// The next frames, in order. Cancel-safe.
    fn next(&mut self) -> impl Future<Output = Result<FrameBlock, BoxedFault>>;

    /// Sends what was confirmed last, ends the stream in good order and waits until the server has let go of the slot.
    fn stop(self) -> impl Future<Output = Result<(), BoxedFault>>;
}

/// The way back to the walsender.
pub trait Feedback {
    /// Confirms that everything up to `flush` is durable in Kafka; sent soon and then with every status update.
    fn confirm(&self, flush: Lsn);
}

/// Catalog look-ups.
pub trait Catalog {
    /// Whether the configured patterns choose a table: a publication may hold more than is captured.
    fn captures(&self, table: &TableName) -> bool;

    /// What the catalog says of a table now; empty facts when the table no longer exists. `after`: once this transaction
    /// shows there, which can be streamed a moment before it does.
    fn table_facts(
        &mut self,
        relation: Oid,
        after: Option<Xid>,
    ) -> impl Future<Output = Result<TableFacts, BoxedFault>>;

    /// The values that the log left out of an updated row, as they are now, in the order of [`Unsent::columns`]; `None`
    /// when the row is gone.
    fn reselect(
        &mut self,
        unsent: &Unsent<'_>,
    ) -> impl Future<Output = Result<Option<Vec<Option<String>>>, BoxedFault>>;
}

/// What requests to read existing rows are checked against.
pub trait RowsCatalog: Catalog {
    /// As [`Source::survey`], without timeline history.
    fn survey(&mut self) -> impl Future<Output = Result<Survey, BoxedFault>>;

    /// Why rows of a table cannot be read by a condition in SQL, in the server's words; `None`: they can.
    fn refuses(
        &mut self,
        table: &TableName,
        filter: Option<&str>,
    ) -> impl Future<Output = Result<Option<String>, BoxedFault>>;
}

/// Eyes on the source while a stream runs.
pub trait SourceWatch {
    /// As [`Source::survey`], without timeline history.
    fn survey(&mut self) -> impl Future<Output = Result<Survey, BoxedFault>>;

    /// Adds tables to the publication. Returns a position from which on their changes are streamed.
    fn publish(&mut self, tables: &[TableName]) -> impl Future<Output = Result<Lsn, BoxedFault>>;

    /// Ends only when leadership is lost, with the reason. Cancel-safe.
    fn lost(&mut self) -> impl Future<Output = BoxedFault>;
}

/// Kafka, as the place of records and of the checkpoint.
pub trait Sink {
    /// Reads what can be seen of the checkpoint log now. Nobody is disturbed: an instance that leads elsewhere may be about
    /// to write more, and what lies behind an open Kafka transaction is left out.
    fn peek(&mut self) -> impl Future<Output = Result<CheckpointLog, BoxedFault>>;

    /// Fences earlier instances, ends their open transaction and reads the checkpoint log to its end.
    fn open(&mut self) -> impl Future<Output = Result<CheckpointLog, BoxedFault>>;

    /// Hands records over, beginning a Kafka transaction if none is open, and returns the cleared batch. A full
    /// producer queue is waited for. Not cancel-safe: after a dropped future only [`Sink::abort`] or
    /// [`Sink::open`] may follow.
    fn write(&mut self, batch: Batch) -> impl Future<Output = Result<Batch, BoxedFault>>;

    /// Makes everything written since the last commit and this checkpoint durable, all or nothing. Not cancel-safe.
    fn commit(&mut self, update: &CheckpointUpdate) -> impl Future<Output = Result<(), BoxedFault>>;

    /// Gives up what was written since the last commit. Nothing to do when nothing is open.
    fn abort(&mut self) -> impl Future<Output = Result<(), BoxedFault>>;
}

/// Kafka, as the place of topics.
pub trait Topics {
    /// Makes sure that `topic` exists, creating it as configured.
    fn ensure(&mut self, topic: &str) -> impl Future<Output = Result<(), BoxedFault>>;

    /// Makes sure that the topic of dead letters exists, where nothing is deleted but by its key.
    fn ensure_dead_letters(&mut self, topic: &str) -> impl Future<Output = Result<(), BoxedFault>>;

    /// Which records a topic takes, as it is set now: asked each time.
    fn limits(&mut self, topic: &str) -> impl Future<Output = Result<RecordLimits, BoxedFault>>;

    /// Forgets which topics exist: while nobody was connected, one may have been deleted.
    fn forget(&mut self);
}

/// The schema registry.
pub trait SchemaRegistry {
    /// Registers `schema` (Avro as JSON) under `subject` and returns its id; the same id when it is there already.
    fn register(&mut self, subject: &str, schema: &str)
    -> impl Future<Output = Result<SchemaId, BoxedFault>>;

    /// Forgets the ids: a registry that was made anew meanwhile gives others.
    fn forget(&mut self);
}

/// A schema must be registered, and there is no registry to do it.
#[derive(Debug, thiserror::Error)]
#[error("no schema registry is configured, and the records need one")]
struct NoRegistry;

impl Fault for NoRegistry {
    fn is_retryable(&self) -> bool {
        false
    }
}

/// Records that need no schemas need no registry.
impl<R: SchemaRegistry> SchemaRegistry for Option<R> {
    async fn register(&mut self, subject: &str, schema: &str) -> Result<SchemaId, BoxedFault> {
        match self {
            Some(registry) => registry.register(subject, schema).await,
            None => Err(NoRegistry.into()),
        }
    }

    fn forget(&mut self) {
        if let Some(registry) = self {
            registry.forget();
        }
    }
}
