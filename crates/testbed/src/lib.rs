//! Real Postgres 12 to 18, Kafka and a schema registry on loopback, for tests, benches and the demo.
//!
//! The servers come from Maven packages, need neither containers nor root, listen on free loopback ports, and end with the
//! process that started them. Beside them: loads that keep an independent journal of what they committed, a consumer that decodes
//! with other code than the connector's, and the verdict that compares the two.
//!
//! ```no_run
//! # async fn example() -> walcast_testbed::Result<()> {
//! use walcast_testbed::{Testbed, TestbedOptions};
//!
//! let testbed = Testbed::start(TestbedOptions::default()).await?;
//! println!("{} {} {}", testbed.postgres.url(), testbed.kafka.brokers(), testbed.registry.url());
//! # Ok(())
//! # }
//! ```
//!
//! Nothing here is used by the connector itself.

mod account;
mod audit;
mod avro;
mod browser;
mod cache;
mod cell;
mod change_id;
mod command;
mod connector;
mod connector_config;
mod consumer;
mod debezium;
mod eavesdropper;
mod error;
mod failing_http;
mod fake_postgres;
mod false_broker;
mod java;
pub mod journal;
pub mod json_schema;
mod kafka;
mod load;
mod maven;
mod packages;
mod ports;
mod postgres;
mod process;
mod progress;
mod proxy;
mod record;
mod registry;
mod registry_guard;
mod sender;
mod server;
mod servers;
mod spawn;
mod state;
mod tls;
mod tls_front;
mod tree;
mod usage;
mod verdict;
mod wait;

pub use audit::Audit;
pub use browser::{Browser, Key};
pub use cell::{Cell, Cells, UNAVAILABLE};
pub use change_id::{CHANGE_ID_HEADER, ChangeId, ChangeIdError};
pub use connector::Walcast;
pub use connector_config::ConnectorConfig;
pub use consumer::{
    RawRecord, TopicFollower, TopicReader, commit_offset, has_open_transaction, read_topic, records_written,
    remove_records, topic_names,
};
pub use debezium::{Debezium, DebeziumConfig, DebeziumOptions};
pub use eavesdropper::Eavesdropper;
pub use error::{Error, Result};
pub use failing_http::FailingHttp;
pub use fake_postgres::{FakePostgres, Manner, Met};
pub use false_broker::{Api, FalseBroker, Falsehood};
pub use kafka::{Kafka, KafkaCluster, KafkaOptions, KafkaSecurity, ProxiedListener};
pub use load::{Load, LoadOptions, LoadSummary, Shop, TpcB};
pub use packages::{
    DEBEZIUM_RELEASES, KAFKA_RELEASES, POSTGRES_RELEASES, axe_core, debezium_version, fetch, fetch_debezium,
    package_versions,
};
pub use postgres::{
    Auth, Password, Postgres, PostgresOptions, RecoveryTarget, StopMode, connect, quote_name,
};
pub use proxy::{Direction, Flow, Proxy};
pub use record::{Change, Decoder, Payload, Record};
pub use registry::Registry;
pub use registry_guard::RegistryGuard;
pub use sender::{fence, send_copy, send_record};
pub use servers::{Testbed, TestbedOptions};
pub use tls::{CertificateFiles, Tls, TlsOptions};
pub use tls_front::TlsFront;
pub use tree::{SubjectVersion, Tree, TreeDecoder};
pub use usage::{ProcessUsage, cpu_seconds_of_tree};
pub use verdict::{Findings, Verdict, compare};
pub use wait::wait_until;
