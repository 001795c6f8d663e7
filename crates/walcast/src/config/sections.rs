//! Validated configuration: the configurations of the crates, and the settings that only this program uses.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use walcast_delivery::{BookmarkConfig, DeliveryConfig, OutboxCleanupConfig, SlotMonitorConfig};
use walcast_kafka::{KafkaConfig, RegistryConfig, StreamSnapshotConfig};
use walcast_mapper::config::OutboxRule;
use walcast_mapper::{MapperConfig, Secret};
use walcast_postgres::PostgresConfig;

use super::compatible_metrics::CompatibleMetrics;
use super::exposed::Exposed;
use super::host::Host;
use super::log_format::LogFormat;
use super::selections::Selection;
use super::settings::Settings;

/// Validated configuration.
#[derive(Debug)]
pub(crate) struct Config {
    /// Name of the connector: transactional id, checkpoint key, and default for the names of slot, publication and topics.
    pub(crate) name: String,
    /// Postgres source.
    pub(crate) postgres: PostgresConfig,
    /// Kafka clients.
    pub(crate) kafka: KafkaConfig,
    /// Client of the schema registry; `None` if neither keys nor values are Avro.
    pub(crate) registry: Option<RegistryConfig>,
    /// Records.
    pub(crate) mapper: MapperConfig,
    /// Rules of the outboxes that are polled. If there are any, the connector has no slot, and streams nothing.
    pub(crate) polled: Vec<OutboxRule>,
    /// Delivery.
    pub(crate) delivery: DeliveryConfig,
    /// Slot monitor.
    pub(crate) slot_monitor: SlotMonitorConfig,
    /// Bookmarks.
    pub(crate) bookmarks: BookmarkConfig,
    /// Clean-up of outbox tables.
    pub(crate) outbox_cleanup: OutboxCleanupConfig,
    /// Snapshots of streams.
    pub(crate) stream_snapshots: Vec<StreamSnapshotConfig>,
    /// Topic of signals; `None`: no signal topic.
    pub(crate) signal_topic: Option<String>,
    /// Admin port.
    pub(crate) admin: AdminSection,
    /// Programs under whose names metrics are exposed as well.
    pub(crate) metrics: Vec<CompatibleMetrics>,
    /// Metrics of consumer groups.
    pub(crate) consumers: ConsumersSection,
    /// Process log.
    pub(crate) log: LogSection,
    /// Exposed secrets.
    pub(crate) exposed: Vec<Exposed>,
    /// Patterns that are compared with the database.
    pub(crate) selections: Vec<Selection>,
    /// Settings of the file.
    pub(crate) settings: Settings,
}

/// Settings of the metrics of consumer groups.
#[derive(Debug)]
pub(crate) struct ConsumersSection {
    /// Interval at which the lag of consumer groups is read; `None`: it is read on request only.
    pub(crate) lag_interval: Option<Duration>,
}

/// Settings of the admin port, for the connector and for the commands that use it.
#[derive(Debug)]
pub(crate) struct AdminSection {
    /// Address of the admin server; `None`: disabled.
    pub(crate) listen: Option<SocketAddr>,
    /// Token that requests must carry; `None`: a generated token, which each start stores.
    pub(crate) token: Option<Secret>,
    /// Additional hosts by which clients may address the connector.
    pub(crate) allowed_hosts: Vec<Host>,
    /// Server certificate; `None`: no TLS.
    pub(crate) identity: Option<Identity>,
    /// Certificate authorities of clients; `None`: clients need no certificate.
    pub(crate) client_ca_file: Option<PathBuf>,
    /// URL that commands use; `None`: the address in `listen`.
    pub(crate) url: Option<String>,
    /// Certificate authorities that commands trust; `None`: those of the system.
    pub(crate) ca_file: Option<PathBuf>,
    /// Whether the port answers as a worker of Kafka Connect does, read-only.
    pub(crate) connect_api: bool,
}

impl AdminSection {
    /// Host of `url`.
    pub(crate) fn url_host(&self) -> Option<Host> {
        let (_, authority) = self.url.as_deref()?.split_once("://")?;
        Host::of_authority(authority)
    }
}

/// Certificate of the admin server and its private key, as PEM files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) certificate_file: PathBuf,
    pub(crate) key_file: PathBuf,
}

/// Settings of the process log.
#[derive(Debug)]
pub(crate) struct LogSection {
    pub(crate) format: LogFormat,
    /// In the syntax of `RUST_LOG`.
    pub(crate) level: String,
}
