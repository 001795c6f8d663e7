//! Configuration of the Kafka sink and of the schema registry client.

use std::collections::BTreeMap;
use std::num::{NonZeroU16, NonZeroU32};
use std::path::PathBuf;
use std::time::Duration;

use walcast_delivery::Guarantee;
use walcast_mapper::Secret;

use crate::properties::KafkaProperties;

/// Configuration of the Kafka clients.
#[derive(Clone, Debug)]
pub struct KafkaConfig {
    /// Name of the connector. The transactional id is `walcast-<name>`, and the name is the key of the checkpoint.
    pub name: String,
    /// Bootstrap addresses, separated by commas (`bootstrap.servers`).
    pub brokers: String,
    /// Prefix of the checkpoint topic.
    pub topic_prefix: String,
    /// Delivery guarantee: exactly once writes records and checkpoint in one transaction.
    pub guarantee: Guarantee,
    /// `transaction.timeout.ms`: time after which the broker aborts an open transaction.
    pub transaction_timeout: Duration,
    /// Additional librdkafka properties.
    pub properties: KafkaProperties,
    /// Settings of created topics.
    pub topics: TopicConfig,
}

impl KafkaConfig {
    /// Configuration for tests without a broker.
    #[cfg(test)]
    pub(crate) fn of_no_broker() -> Self {
        Self {
            name: "shop".to_owned(),
            brokers: "127.0.0.1:1".to_owned(),
            topic_prefix: "shop".to_owned(),
            guarantee: Guarantee::ExactlyOnce,
            transaction_timeout: Duration::from_secs(60),
            properties: KafkaProperties::default(),
            topics: TopicConfig::default(),
        }
    }

    /// `transactional.id`, by which the broker fences earlier instances.
    #[must_use]
    pub fn transactional_id(&self) -> String {
        format!("walcast-{}", self.name)
    }

    /// Name of the checkpoint topic.
    #[must_use]
    pub fn checkpoint_topic(&self) -> String {
        checkpoint_topic(&self.topic_prefix)
    }
}

/// Name of the topic that holds the checkpoints of all connectors with this topic prefix.
#[must_use]
pub fn checkpoint_topic(topic_prefix: &str) -> String {
    format!("{topic_prefix}.walcast-checkpoints")
}

/// Name of the topic that holds the certificates of all comparisons with this topic prefix.
#[must_use]
pub fn verification_topic(topic_prefix: &str) -> String {
    format!("{topic_prefix}.walcast-verifications")
}

/// Name of the topic that holds the replays of all connectors with this topic prefix.
#[must_use]
pub fn replay_topic(topic_prefix: &str) -> String {
    format!("{topic_prefix}.walcast-replays")
}

/// Settings of created topics.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicConfig {
    /// Whether missing topics are created.
    pub auto_create: bool,
    /// Number of partitions; `None` is the broker's default.
    pub partitions: Option<NonZeroU32>,
    /// Replication factor; `None` is the broker's default.
    pub replication_factor: Option<NonZeroU16>,
    /// Additional topic settings, such as `cleanup.policy`.
    pub config: BTreeMap<String, String>,
}

impl Default for TopicConfig {
    fn default() -> Self {
        Self {
            auto_create: true,
            partitions: None,
            replication_factor: None,
            config: BTreeMap::new(),
        }
    }
}

/// Configuration of the schema registry client.
#[derive(Clone, Debug)]
pub struct RegistryConfig {
    /// Base URL of the registry, without credentials.
    pub url: String,
    /// Authentication of the client.
    pub auth: RegistryAuth,
    /// TLS settings, used for an `https` URL.
    pub tls: RegistryTls,
    /// URL of the HTTP proxy, with user and password where the proxy needs them. `None` uses no proxy, whichever the
    /// environment sets.
    pub proxy: Option<Secret>,
    /// Whether schemas are registered; otherwise they are looked up only.
    pub auto_register: bool,
}

/// PEM files for TLS with the schema registry, read when the client is created.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RegistryTls {
    /// CA certificates that are trusted; `None` trusts the CAs of the system.
    pub ca_file: Option<PathBuf>,
    /// Client certificate chain and key.
    pub identity: Option<ClientIdentity>,
}

/// Client certificate and key as PEM files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientIdentity {
    /// Certificate chain.
    pub certificate_file: PathBuf,
    /// Private key, not encrypted.
    pub key_file: PathBuf,
}

/// Authentication at the schema registry.
#[derive(Clone, Debug, Default)]
pub enum RegistryAuth {
    /// No authentication.
    #[default]
    None,
    /// HTTP basic authentication.
    Basic {
        /// User name.
        user: String,
        /// Password.
        password: Secret,
    },
    /// A bearer token.
    Bearer {
        /// Token.
        token: Secret,
    },
}
