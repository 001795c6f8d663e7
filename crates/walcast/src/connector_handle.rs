//! Handle of a running connector: what the admin port and the signal topic need of it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use walcast_delivery::{
    BookmarkConfig, CheckpointLog, Connector, ConnectorState, Metrics, OutboxPoller, SnapshotControl,
    SnapshotRequests,
};
use walcast_kafka::{KafkaConfig, StoredReplay};
use walcast_mapper::MapperConfig;
use walcast_postgres::PostgresConfig;

use crate::background_read::BackgroundRead;
use crate::config::{CompatibleMetrics, Config, Settings};
use crate::consumer_metrics::ConsumerMetrics;
use crate::consumer_report::ConsumersReport;
use crate::last_verification::{LastVerification, StoredCertificate};
use crate::samples::Samples;

/// Names that identify a connector; none of them is secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    /// Name of the connector.
    pub(crate) name: String,
    /// Name of the replication slot.
    pub(crate) slot: String,
    /// Name of the publication.
    pub(crate) publication: String,
    /// First part of the names of its topics.
    pub(crate) topic_prefix: String,
}

impl Identity {
    /// Identity of the connector with this configuration.
    pub(crate) fn of(config: &Config) -> Self {
        Self {
            name: config.name.clone(),
            slot: config.postgres.slot.clone(),
            publication: config.postgres.publication.clone(),
            topic_prefix: config.kafka.topic_prefix.clone(),
        }
    }
}

/// Configuration of a connector, as far as the admin port shows it.
#[derive(Debug, Default)]
pub(crate) struct Configured {
    /// Settings of the file.
    pub(crate) settings: Settings,
    /// Names of topics; `None` if the connector has no configuration, in tests.
    pub(crate) mapper: Option<MapperConfig>,
}

impl Configured {
    /// What is shown of this configuration.
    pub(crate) fn of(config: &Config) -> Self {
        Self {
            settings: config.settings.clone(),
            mapper: Some(config.mapper.clone()),
        }
    }
}

/// Handle of a running connector. It shares everything with the connector; what it has of its own is for display.
#[derive(Clone, Debug)]
pub(crate) struct ConnectorHandle {
    /// Names of the connector.
    pub(crate) identity: Identity,
    /// State of the connector; the view of its slot monitor is part of it.
    pub(crate) state: ConnectorState,
    /// Counters and histograms of the connector.
    pub(crate) metrics: Metrics,
    /// Sender of snapshot requests.
    pub(crate) control: SnapshotControl,
    /// Newest comparison of the source with the topics.
    pub(crate) verification: LastVerification,
    /// Programs under whose names metrics are exposed as well.
    pub(crate) compatible: Vec<CompatibleMetrics>,
    /// Configuration with which the connector was started.
    pub(crate) configured: Arc<Configured>,
    /// Time since which the connector exists in this process.
    pub(crate) started: Instant,
    /// Settings with which requests ask servers; `None`: no server is asked.
    pub(crate) settings: Option<Arc<HandleSettings>>,
    /// Samples of the last minutes.
    pub(crate) samples: Samples,
    /// What requests have read from Kafka.
    pub(crate) views: KafkaViews,
    /// Metrics of consumer groups.
    pub(crate) consumers: ConsumerMetrics,
}

/// Settings with which requests ask Postgres and Kafka.
#[derive(Debug)]
pub(crate) struct HandleSettings {
    /// Kafka clients.
    pub(crate) kafka: KafkaConfig,
    /// Connections to Postgres.
    pub(crate) postgres: PostgresConfig,
    /// Bookmarks.
    pub(crate) bookmarks: BookmarkConfig,
    /// Records, with the names of topics.
    pub(crate) mapper: MapperConfig,
    /// Topic of dead letters.
    pub(crate) dead_letter_topic: String,
    /// Interval at which the metrics of consumer groups are renewed; `None`: there are none.
    pub(crate) lag_interval: Option<Duration>,
}

/// What requests have read from Kafka, each part as of some seconds ago.
#[derive(Clone, Debug, Default)]
pub(crate) struct KafkaViews {
    /// Checkpoint and earlier ones.
    pub(crate) checkpoints: BackgroundRead<CheckpointLog>,
    /// Replays.
    pub(crate) replays: BackgroundRead<Vec<StoredReplay>>,
    /// The last certificates, the newest first.
    pub(crate) certificates: BackgroundRead<Vec<StoredCertificate>>,
    /// Consumer groups.
    pub(crate) consumers: BackgroundRead<ConsumersReport>,
}

impl HandleSettings {
    fn of(config: &Config) -> Arc<Self> {
        Arc::new(Self {
            kafka: config.kafka.clone(),
            postgres: config.postgres.clone(),
            bookmarks: config.bookmarks.clone(),
            mapper: config.mapper.clone(),
            dead_letter_topic: config.delivery.dead_letters.topic.clone(),
            lag_interval: config.consumers.lag_interval,
        })
    }
}

impl ConnectorHandle {
    /// Handle of a connector that is about to run.
    pub(crate) fn new<P, C, K, T, R>(config: &Config, connector: &Connector<P, C, K, T, R>) -> Self {
        Self {
            identity: Identity::of(config),
            state: connector.state.clone(),
            metrics: connector.metrics.clone(),
            control: connector.requests.control(),
            verification: LastVerification::of(&config.kafka),
            compatible: config.metrics.clone(),
            configured: Arc::new(Configured::of(config)),
            started: Instant::now(),
            settings: Some(HandleSettings::of(config)),
            samples: Samples::default(),
            views: KafkaViews::default(),
            consumers: ConsumerMetrics::default(),
        }
    }

    /// Handle of a connector that is about to poll. It has no slot and no publication, and takes no snapshot requests.
    pub(crate) fn of_poller<P, K, T, R>(config: &Config, poller: &OutboxPoller<P, K, T, R>) -> Self {
        Self {
            identity: Identity {
                slot: String::new(),
                publication: String::new(),
                ..Identity::of(config)
            },
            state: poller.state.clone(),
            metrics: poller.metrics.clone(),
            control: SnapshotRequests::new().control(),
            verification: LastVerification::of(&config.kafka),
            compatible: config.metrics.clone(),
            configured: Arc::new(Configured::of(config)),
            started: Instant::now(),
            settings: Some(HandleSettings::of(config)),
            samples: Samples::default(),
            views: KafkaViews::default(),
            consumers: ConsumerMetrics::default(),
        }
    }
}
