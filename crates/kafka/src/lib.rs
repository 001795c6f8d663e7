//! The Kafka side of the connector: records and checkpoint in one transaction, topics, and the schema registry.
//!
//! ```text
//! KafkaSink ──Command──▶ producer thread ──▶ librdkafka ──▶ broker
//!     ▲                       │
//!     └────── reply ◀─────────┘   a batch cleared, a commit that is durable, or an error that says what to do
//! ```
//!
//! librdkafka's calls block, so one named thread makes them; it ends with the sink. What went wrong is sorted into what
//! trying again can heal, what needs a person, and being fenced by another instance.
//!
//! Guarantees: a commit that is reported was acknowledged by the transaction coordinator; one whose answer did not come is
//! reported as in doubt, never as done or undone. The checkpoint is read to the end of the log, past every transaction
//! that was open when reading began. A property that would weaken this is refused by name.
//!
//! The crate never retries a batch by itself: the log is the retry buffer.

mod checkpoint;
mod clients;
mod cluster;
mod config;
mod dead_letters;
mod error;
mod events;
mod explain;
mod limits;
mod preconditions;
mod producer;
mod properties;
mod reader;
mod registry;
mod session;
mod signals;
mod sink;
mod sorting;
mod stall;
mod topics;
mod window;

pub use config::{
    ClientIdentity, KafkaConfig, RegistryAuth, RegistryConfig, RegistryTls, Secret, TopicConfig,
    checkpoint_topic,
};
pub use dead_letters::{dead_letters, take_off};
pub use error::KafkaError;
pub use preconditions::{Outcome, Precondition, preconditions};
pub use properties::{Properties, is_secret as is_secret_property};
pub use reader::{CheckpointReader, last_values};
pub use registry::{Registry, RegistryError, SchemaChanges};
pub use signals::{SignalRecord, SignalTopic};
pub use sink::KafkaSink;
pub use topics::KafkaTopics;
