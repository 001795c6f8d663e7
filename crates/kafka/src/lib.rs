//! Kafka sink of the connector: records and checkpoint in one transaction, topics, and the schema registry client.
//!
//! ```text
//! KafkaSink ──Command──▶ producer thread ──▶ librdkafka ──▶ broker
//!     ▲                       │
//!     └────── reply ◀─────────┘   an emptied batch, a durable commit, or an error that names the operation
//! ```
//!
//! The calls of librdkafka block, so one named thread makes them; the thread ends with the sink. Errors are classified into
//! transient ones, which a retry may resolve, permanent ones, which an operator must resolve, and fencing by another instance.
//!
//! Guarantees: a reported commit was acknowledged by the transaction coordinator; a commit without a response is reported as in
//! doubt, never as done or undone. The checkpoint is read up to the end offset, past every transaction that was open when
//! reading began. A property that would weaken a guarantee is rejected by name.
//!
//! The crate never retries a batch on its own: the WAL is the retry buffer. It knows neither the commands nor the configuration
//! keys of the program around it: errors carry values, and the program adds what to do.

mod acknowledgement_wait;
mod checkpoint;
mod checkpoint_store;
mod clients;
mod cluster;
mod cluster_metadata;
mod compaction;
mod config;
mod consumer_groups;
mod dead_letters;
mod end_offset;
mod error;
mod error_class;
mod events;
mod explain;
mod in_flight_window;
mod limits;
mod polled_claim;
mod polled_target;
mod preconditions;
mod producer_session;
mod producer_thread;
mod properties;
mod record;
mod registry;
mod replay_copy;
mod replay_sink;
mod replay_source;
mod replay_state;
mod side_topics;
mod signals;
mod sink;
mod stall;
mod stored_partition;
mod topic_consumer;
mod topic_index;
mod topic_reader;
mod topic_record;
mod topic_setting;
mod topics;
mod verifications;
mod written_record;

pub use checkpoint_store::KafkaCheckpointStore;
pub use compaction::compacted_topics;
pub use config::{
    ClientIdentity, KafkaConfig, RegistryAuth, RegistryConfig, RegistryTls, TopicConfig, checkpoint_topic,
    replay_topic, verification_topic,
};
pub use consumer_groups::consumer_groups;
pub use consumer_groups::report::{
    ConsumedTopics, ConsumerGroup, ConsumerGroups, GroupPartition, NextRecord,
};
pub use dead_letters::{read_dead_letters, resolve_dead_letters};
pub use error::KafkaError;
pub use polled_target::{KafkaPolledSink, KafkaPolledTarget};
pub use preconditions::preconditions;
pub use properties::{KafkaProperties, is_secret as is_secret_property};
pub use registry::{
    AddressProblem, CompatibilityLevels, Registration, Registry, RegistryError, SchemaChanges,
    SubjectVersion, TlsFile,
};
pub use replay_copy::{REPLAY_HEADER, RecordCopy, is_replayed};
pub use replay_sink::{ReplaySink, stored_replays};
pub use replay_source::{RequestedSource, WalOrigin};
pub use replay_state::{Replay, ReplayRequest, StoredReplay};
pub use side_topics::{SideTopic, SideTopics};
pub use signals::{SignalRecord, SignalTopic};
pub use sink::KafkaSink;
pub use topic_consumer::ReadFrom;
pub use topic_index::{PartitionRange, TopicIndex};
pub use topic_reader::{TopicReader, TopicSelection, await_open_transactions, last_values};
pub use topic_record::TopicRecord;
pub use topic_setting::topic_setting;
pub use topics::KafkaTopics;
// Part of the registry's interface.
pub use verifications::{last_verification, last_verifications, write_verification};
pub use walcast_mapper::SchemaId;
