//! The source: a Postgres database whose committed changes are streamed.
//!
//! ```text
//! connect/      connection string ─▶ socket, TLS, authentication ─▶ ordinary and replication connections
//! catalog/      questions over the ordinary connection: slot, publication, tables, types, leadership
//! replication/  commands, then the stream: reader and feedback tasks around one socket
//! source.rs     the three together, behind walcast-delivery's traits
//! ```
//!
//! Guarantees: frames come in the order they were sent, whole; the queue to the consumer is bounded in bytes; status
//! updates flow on a deadline under the server's `wal_sender_timeout` while nobody takes frames; nothing is confirmed but
//! what [`walcast_delivery::Feedback::confirm`] said. Passwords are never printed.
//!
//! The crate decides nothing about delivery: what may be confirmed, and whether a slot that is found may be used, is
//! `walcast-delivery`'s.
//!
//! ```no_run
//! use std::time::Duration;
//!
//! use walcast_delivery::{Partitions, Source};
//! use walcast_mapper::EventsConfig;
//! use walcast_postgres::{
//!     ConnectConfig, Environment, Failover, LEAD_TIMEOUT_DEFAULT, PostgresConfig, PostgresSource, QUEUE_BYTES_DEFAULT,
//! };
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let mut source = PostgresSource::new(PostgresConfig {
//!     connect: ConnectConfig::parse("postgres://walcast@db/shop?sslmode=require", &Environment::of_process())?,
//!     name: "shop".to_owned(),
//!     slot: "walcast_shop".to_owned(),
//!     failover: Failover::Auto,
//!     lead_timeout: LEAD_TIMEOUT_DEFAULT,
//!     publication: "walcast_shop".to_owned(),
//!     tables: vec!["public.*".parse()?],
//!     exclude: Vec::new(),
//!     partitions: Partitions::Root,
//!     operations: EventsConfig::default().operations,
//!     queue_bytes: QUEUE_BYTES_DEFAULT,
//!     logical_decoding_work_mem: None,
//!     snapshot_connections: 2,
//!     snapshot_filters: Vec::new(),
//!     snapshot_tables: None,
//!     snapshot_lock_timeout: Duration::from_secs(10),
//!     reader: None,
//!     signal_table: None,
//!     wal_disk: None,
//! })?;
//! source.lead().await?;
//! println!("{:?}", source.survey(None).await?);
//! # Ok(())
//! # }
//! ```

mod backend;
mod catalog;
mod check;
mod config;
mod connect;
mod error;
#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzzing;
mod lead;
mod look;
mod predecessor;
mod replication;
mod snapshot;
mod source;
mod survey;
pub mod tail;

pub use catalog::{Outcome, Precondition};
pub use check::preconditions;
pub use config::{Failover, LEAD_TIMEOUT_DEFAULT, PostgresConfig, QUEUE_BYTES_DEFAULT};
pub use connect::{
    ChannelBinding, ConnectConfig, ConninfoError, Environment, Host, Secret, SessionAttributes, SslMode,
    TlsSetupError,
};
pub use error::{PostgresError, ServerError};
pub use look::look;
pub use replication::{ReplicationFeedback, ReplicationStream};
pub use snapshot::{PostgresSnapshot, PostgresSnapshots};
pub use source::{PostgresCatalog, PostgresSource, PostgresWalWatch, PostgresWatch};
