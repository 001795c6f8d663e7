//! Handle of a running connector: what the admin port and the signal topic need of it.

use std::sync::Arc;
use std::time::Instant;

use walcast_delivery::{Connector, ConnectorState, Metrics, OutboxPoller, SnapshotControl, SnapshotRequests};
use walcast_mapper::MapperConfig;

use crate::config::{Config, Settings};
use crate::last_verification::LastVerification;

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

/// Handle of a running connector. It shares everything with the connector and holds nothing of its own but the time of its
/// creation.
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
    /// Configuration with which the connector was started.
    pub(crate) configured: Arc<Configured>,
    /// Time since which the connector exists in this process.
    pub(crate) started: Instant,
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
            configured: Arc::new(Configured::of(config)),
            started: Instant::now(),
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
            configured: Arc::new(Configured::of(config)),
            started: Instant::now(),
        }
    }
}
