//! Decides what goes into one Kafka transaction and which LSN may be confirmed to Postgres.
//!
//! The flow, one direction with one loop back:
//!
//! ```text
//! ChangeStream ──FrameBlock──▶ intake ──Parcel──▶ shipper ──Batch──▶ Sink (records + checkpoint, one transaction)
//!      ▲                                             │
//!      └────────── Feedback::confirm(end_lsn) ◀──────┘   only what a committed checkpoint covers
//! ```
//!
//! The crate never opens a socket and does not know librdkafka or tokio-postgres: Postgres, Kafka and the registry stand
//! behind traits ([`Source`], [`Sink`], [`Topics`], [`SchemaRegistry`]). Everything that can lose or double a change is decided here, over plain values.
//!
//! Guarantees: `confirmed ≤ checkpointed ≤ produced ≤ received` ([`Positions`]); one source transaction lies whole in one
//! Kafka transaction; only a transaction's `end_lsn`, or a keepalive's end of log with nothing in flight, is checkpointed.

mod checkpoint;
mod config;
mod connector;
mod coverage;
mod dead_letters;
mod drift;
mod edge;
mod error;
mod guard;
mod heartbeat;
mod intake;
mod loss;
mod metrics;
mod notes;
mod parcel;
mod pending;
mod positions;
mod recognition;
mod registrar;
mod relations;
mod reselect;
mod retention;
mod rewind;
mod role;
mod session;
mod setup;
mod shipper;
mod snapshot;
pub mod sql;
mod status;
mod survey;
mod take_over;
mod watcher;

pub use checkpoint::{Checkpoint, CheckpointLog, CheckpointState, CheckpointUpdate, CommitMark, Partial};
pub use config::{DeliveryConfig, Guarantee, OnIncompatible, ReplayConfig};
pub use connector::Connector;
pub use coverage::{publication_findings, table_findings};
pub use dead_letters::{DeadLetterConfig, DeadLetterRule, OnError};
pub use drift::{DriftBoard, Drifted};
pub use edge::{
    BoxedFault, Catalog, ChangeStream, ChosenRows, CopiedRows, CreatedSlot, Fault, Feedback, Opened,
    RowsCatalog, SchemaRegistry, Sink, Snapshot, SnapshotTable, Snapshots, Source, SourceWatch, Started,
    Topics, WalWatch,
};
pub use error::{DeliveryError, Halt};
pub use guard::{
    Extent, GuardConfig, Guardian, Holder, Limit, LimitLabels, Outlook, WalBoard, WalDirectory, WalFigures,
    WalLook, WalView,
};
pub use loss::{resume_position, usable_slot};
pub use metrics::{ChangeLabels, DeadLetterLabels, ErrorLabels, Metrics, PositionGauge};
pub use positions::Positions;
pub use rewind::{Rewind, RewindRefused, RewindWindow, rewind, rewind_window};
pub use role::{Role, RoleBoard};
pub use snapshot::{
    Board, BoardedTable, FormerKey, Marks, NextRow, Publishing, Selection, Signal, SignalError,
    SnapshotAnswer, SnapshotBoard, SnapshotCommand, SnapshotConfig, SnapshotControl, SnapshotMode,
    SnapshotProgress, SnapshotRefused, SnapshotRequests, SnapshotUnanswered, TableProgress, Window,
};
pub use status::Status;
pub use survey::{
    CapturedTable, Partitions, Persistence, PublicationState, SlotState, Survey, SystemIdentifier, Timeline,
    TimelineSwitch, WalStatus,
};
pub use take_over::{
    ForeignChange, ForeignPosition, Place, TakeOver, TakeOverError, TakeOverRefused, TakenOver, take_over,
};
