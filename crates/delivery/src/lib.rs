//! Decides which records share a Kafka transaction and which LSN may be confirmed to Postgres.
//!
//! Data flow, in one direction with one loop back:
//!
//! ```text
//! ChangeStream ──FrameBlock──▶ ingest ──Batch──▶ committer ──RecordBuffer──▶ Sink (records + checkpoint, one transaction)
//!      ▲                                             │
//!      └────────── Feedback::confirm(end_lsn) ◀──────┘   only what a committed checkpoint covers
//! ```
//!
//! The crate opens no sockets and does not depend on librdkafka or tokio-postgres: Postgres, Kafka and the schema
//! registry are behind traits ([`Source`], [`CheckpointStore`], [`Sink`], [`Topics`], [`SchemaRegistry`]). Every decision that could lose or
//! duplicate a change is made here, over plain values.
//!
//! Guarantees: `confirmed ≤ checkpointed ≤ produced ≤ received` ([`Positions`]); a source transaction is delivered
//! whole in one Kafka transaction; only a transaction's `end_lsn`, or the end of WAL that a keepalive reports while no
//! change is in flight, is checkpointed.

mod batch;
mod blocking_transaction;
mod bookmarks;
mod clock;
mod commit;
pub mod condition;
mod config;
mod coverage;
mod describe;
mod drift;
mod encode;
mod error;
mod event_stores;
mod halt;
mod metrics;
mod offset_import;
mod outbox_cleanup;
mod partitions;
mod polling;
mod port_error;
mod ports;
mod position;
mod precondition;
mod quarantine;
mod replay;
mod restrictions;
mod schema_history;
mod serde_text;
mod server_capabilities;
mod session;
pub mod shell;
mod slot_monitor;
mod snapshot;
mod source_state;
pub mod sql;
mod state;
mod stream;

pub use blocking_transaction::{BlockingTransaction, SlotCreationState};
pub use bookmarks::expiry::{BookmarkExpiry, BookmarkLimit};
pub use bookmarks::monitor::BookmarkMonitor;
pub use bookmarks::name::{BookmarkName, bookmark_prefix, is_named_like_bookmark};
pub use bookmarks::rejection::BookmarkRejected;
pub use bookmarks::sample::{Bookmark, BookmarkSample, BookmarkSlot};
pub use bookmarks::state::{BookmarkState, BookmarkView, BookmarksInspected, BookmarksView};
pub use bookmarks::{BookmarkConfig, creatable, droppable};
pub use config::{CreateMissing, DeliveryConfig, Guarantee, OnIncompatible, ReplayConfig};
pub use coverage::{Promised, halting_table_findings, publication_findings, table_findings};
pub use describe::{Describe, one_line};
pub use drift::{DriftState, Drifted, MissedChanges};
pub use encode::dead_letters::config::{DeadLetterConfig, DeadLetterRule, OnError};
pub use encode::dead_letters::writer::KeptAsDeadLetter;
pub use encode::owners::topic_findings;
pub use error::DeliveryError;
pub use event_stores::state::{EventStoreView, EventStoresState, ReportedViolation};
pub use halt::Halt;
pub use metrics::exposition::ConnectorCollector;
pub use metrics::{
    ChangeLabels, ContextErrorLabels, DeadLetterLabels, ErrorLabels, EventLabels, Metrics, ViolationLabels,
};
pub use offset_import::error::ImportError;
pub use offset_import::offset::{ConnectorOffset, OffsetChange};
pub use offset_import::rejection::ImportRejected;
pub use offset_import::{ImportedOffset, OffsetImport, Place, import_offset};
pub use outbox_cleanup::cleaner::OutboxCleaner;
pub use outbox_cleanup::removal::{OutboxLook, OutboxTable, Removal, Removed};
pub use outbox_cleanup::{CleanupAction, CleanupRule, OutboxCleanupConfig, OutboxSection};
pub use partitions::change::{PartitionChange, PartitionChangeKind};
pub use partitions::notices::{PartitionNotice, PartitionNotices};
pub use partitions::{KnownPartition, KnownPartitions, PartitionRecords};
pub use polling::backlog::{Backlog, BacklogState, GateHolder, PENDING_MAX};
pub use polling::claim::{Claim, ClaimedRow, ClaimedRows, HashRange, PolledTable, RowKey};
pub use polling::poller::OutboxPoller;
pub use port_error::{BoxedPortError, Detail, Disposition, PortError};
pub use ports::bookmarks::BookmarkSlots;
pub use ports::catalog::{Catalog, RowsCatalog};
pub use ports::checkpoint_store::CheckpointStore;
pub use ports::outbox_tables::OutboxTables;
pub use ports::polled::{PolledClaims, PolledSink, PolledSource, PolledTarget};
pub use ports::registry::{LatestSchema, NoRegistry, SchemaRegistry};
pub use ports::replay::{ReadRecord, ReplayPort};
pub use ports::sink::Sink;
pub use ports::snapshots::{ChosenRows, CopiedRows, EventOrder, Opened, Snapshot, SnapshotTable, Snapshots};
pub use ports::source::{
    ChangeStream, CreatedSlot, Feedback, Published, Refused, Source, SourceWatch, Started,
};
pub use ports::topics::Topics;
pub use ports::wal::WalWatch;
pub use position::checkpoint::{
    Checkpoint, CheckpointLog, CheckpointState, CheckpointUpdate, CommitPosition, Partial,
};
pub use position::positions::Positions;
pub use position::resume::{is_of_this_server, resume_position, usable_slot};
pub use position::rewind::{Rewind, rewind, rewind_window};
pub use position::rewind_rejected::{RewindRejected, RewindWindow};
pub use precondition::{ConnectorSetting, Fix, Precondition, PreconditionOutcome};
pub use quarantine::resumption::Resumption;
pub use quarantine::stored::StoredQuarantine;
pub use quarantine::{
    Quarantine, QuarantinePhase, QuarantineReason, QuarantineRecords, Quarantines, TableQuarantined,
};
pub use replay::progress::{
    LeftOffsets, MissingRecords, ReplayProgress, ReplayRange, ReplayState, ReplayTopic,
};
pub use replay::topics::{ReplayCopier, ReplayEnded, ReplayLimits};
pub use replay::wal::delivered::SchemaNotFound;
pub use replay::wal::place::ReplayPlace;
pub use replay::wal::request::{WalWindow, WindowReplay};
pub use replay::wal::target::ReplayTarget;
pub use replay::wal::{ReplayPorts, WindowEnded, replay_window};
pub use restrictions::Restrictions;
pub use schema_history::stored::StoredHistory;
pub use schema_history::{ChangePosition, SchemaChanges, TableHistory, TableSchema};
pub use session::connector::Connector;
pub use session::retry_delay::RetryJitter;
pub use session::setup::existing_slot::{first_position, topic_with_records};
pub use session::status::Status;
pub use slot_monitor::forecast::{Extent, Limit, LimitForecast};
pub use slot_monitor::retention_cause::{RetentionCause, RetentionText};
pub use slot_monitor::sample::{WalDirectory, WalSample};
pub use slot_monitor::state::{WalState, WalView};
pub use slot_monitor::{SlotMonitor, SlotMonitorConfig};
pub use snapshot::attached_partitions::AttachedPartitions;
pub use snapshot::channel::{RequestChannel, SqlConditions};
pub use snapshot::command::{Selection, SnapshotCommand, SnapshotRejected};
pub use snapshot::config::{SnapshotConfig, SnapshotMode};
pub use snapshot::control::{SnapshotAnswer, SnapshotControl, SnapshotRequests, SnapshotUnanswered};
pub use snapshot::former_key::FormerKey;
pub use snapshot::progress::{NextRow, PublishedSince, SnapshotProgress, SnapshotType, TableProgress};
pub use snapshot::reader::failed_request::StoredConditionError;
pub use snapshot::signal::{Signal, SignalError};
pub use snapshot::status::{SnapshotStatus, SnapshotTableStatus, SnapshotView, Window};
pub use source_state::restriction::{RestrictedBy, Restriction};
pub use source_state::{
    CapturedTable, Partition, Partitions, Persistence, PublicationState, SlotHolder, SlotState, SourceState,
    SystemIdentifier, Timeline, TimelineSwitch, WalStatus,
};
pub use state::dead_letters::{DeadLettersState, SentDeadLetter};
pub use state::outboxes::{CleanupView, OutboxView, OutboxesState};
pub use state::pending::PendingState;
pub use state::positions::{KnownPositions, PositionState};
pub use state::role::{ForeignHolder, Role, RoleState, RoleView};
pub use state::schemas::{EncodedSchema, SchemasState};
pub use state::status::{LastError, StatusState};
pub use state::tables::{TableState, TablesState};
pub use state::transactions::{DeliveredTransaction, TRANSACTIONS_KEPT, TransactionsState};
pub use state::{ConnectorState, Lag};
pub use stream::transactions::{ChangePlace, Delivered, Event, Transaction, TransactionReader};
