//! Postgres source: streams the committed changes of a database.
//!
//! ```text
//! connect/      connection string ─▶ socket, TLS, authentication ─▶ SQL and replication connections
//! catalog/      queries over the SQL connection: slot, publication, tables, types, leadership lock
//! encoding/     texts of databases with another encoding than UTF8
//! replication/  commands, then the stream: reader and feedback tasks on one socket
//! snapshot/     existing rows: exported snapshots, read by COPY in chunks
//! polling/      outboxes that are polled, without slot and publication
//! source.rs     all of them behind the ports of walcast-delivery
//! ```
//!
//! Guarantees: frames are complete and in the order in which they were sent; the queue to the consumer is bounded in bytes; status updates are
//! sent within the server's `wal_sender_timeout`, even while no frames are taken; only positions of
//! [`walcast_delivery::Feedback::confirm`] are confirmed. Passwords are never printed.
//!
//! The crate makes no decisions about delivery: which positions may be confirmed, and whether an existing slot may be used, is decided by
//! `walcast-delivery`. It knows neither the commands nor the configuration keys of the program around it: errors and preconditions carry
//! values, and the program adds what to do.
//!
//! ```no_run
//! use std::time::Duration;
//!
//! use walcast_delivery::{CreateMissing, Partitions, Source};
//! use walcast_mapper::config::EventsConfig;
//! use walcast_postgres::{
//!     CONDITION_TIMEOUT_DEFAULT, ConnectConfig, Environment, Failover, LEADER_TIMEOUT_DEFAULT, PostgresConfig, PostgresSource, QUEUE_BYTES_DEFAULT,
//! };
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let mut source = PostgresSource::new(PostgresConfig {
//!     connect: ConnectConfig::parse("postgres://walcast@db/shop?sslmode=require", &Environment::of_process())?,
//!     name: "shop".to_owned(),
//!     slot: "walcast_shop".to_owned(),
//!     failover: Failover::Auto,
//!     creates_missing: CreateMissing::Both,
//!     leader_timeout: LEADER_TIMEOUT_DEFAULT,
//!     publication: "walcast_shop".to_owned(),
//!     tables: vec!["public.*".parse()?],
//!     exclude: Vec::new(),
//!     keyed: Vec::new(),
//!     partitions: Partitions::Root,
//!     operations: EventsConfig::default().operations,
//!     queue_bytes: QUEUE_BYTES_DEFAULT,
//!     logical_decoding_work_mem: None,
//!     snapshot_parallelism: 2,
//!     snapshot_filters: Vec::new(),
//!     snapshot_tables: None,
//!     snapshot_lock_timeout: Duration::from_secs(10),
//!     reader: None,
//!     signal_table: None,
//!     wal_disk_size: None,
//!     reading_role: None,
//!     condition_timeout: CONDITION_TIMEOUT_DEFAULT,
//! })?;
//! source.acquire_leadership().await?;
//! println!("{:?}", source.inspect(None).await?);
//! # Ok(())
//! # }
//! ```

mod backend;
mod bookmarks;
mod catalog;
mod check;
mod config;
mod connect;
mod copied_slot;
mod encoding;
mod error;
#[doc(hidden)]
pub mod fuzzing;
mod inspect;
mod leader_session;
mod leadership;
mod outbox_tables;
mod polling;
mod primary;
mod publishing;
mod replication;
mod setup;
mod slot_creation;
mod snapshot;
mod source;
mod source_state;
mod stale_walsender;
pub mod tail;
mod wal_watch;

pub use bookmarks::PostgresBookmarks;
pub use catalog::{
    ExistingColumn, ExistingTable, ExistingType, RowEstimate, Setup, SetupPurpose, SetupStatement, Survey,
    SurveyedSlot, SurveyedTable,
};
pub use check::preconditions;
pub use config::{
    CONDITION_TIMEOUT_DEFAULT, Failover, LEADER_TIMEOUT_DEFAULT, PostgresConfig, QUEUE_BYTES_DEFAULT,
};
pub use connect::{
    AuthMethod, ChannelBinding, ConnectConfig, ConninfoError, Environment, Host, LoginFault, ReadingRole,
    SessionAttributes, SslMode, TlsSetupError,
};
pub use copied_slot::{CopiedFrom, CopiedSlot};
pub use error::{PostgresError, ServerError};
pub use inspect::{Existing, captured_relations, estimate_rows, existing, inspect, survey};
pub use outbox_tables::{PostgresOutboxTables, cleanup_preconditions};
pub use polling::{
    PostgresClaims, PostgresOutboxes, PostgresRowsAtPosition, polled_grants, polled_preconditions,
    polled_tables,
};
pub use replication::{MESSAGES_SINCE, ReplicationFeedback, ReplicationStream};
pub use setup::{SetupOutcome, SetupSession};
pub use snapshot::{PostgresSnapshot, PostgresSnapshots};
pub use source::{PostgresCatalog, PostgresSource, PostgresWatch};
pub use wal_watch::PostgresWalWatch;
