//! What the Kafka side can be told.

use std::collections::BTreeMap;
use std::fmt;
use std::num::{NonZeroU16, NonZeroU32};
use std::path::PathBuf;
use std::time::Duration;

use walcast_delivery::Guarantee;

use crate::Properties;

/// How to reach Kafka and what to write there.
#[derive(Clone, Debug)]
pub struct KafkaConfig {
    /// The connector's name: its transactional id is `walcast-<name>`, its checkpoint's key is the name.
    pub name: String,
    /// Bootstrap addresses, separated by commas.
    pub brokers: String,
    /// Prefix of the checkpoint topic.
    pub topic_prefix: String,
    /// Whether records and checkpoint go into one transaction.
    pub guarantee: Guarantee,
    /// The longest a transaction may stay open before the broker aborts it.
    pub transaction_timeout: Duration,
    /// Further librdkafka properties.
    pub properties: Properties,
    /// How missing topics are created.
    pub topics: TopicConfig,
}

impl KafkaConfig {
    /// The id by which the broker fences earlier instances.
    #[must_use]
    pub fn transactional_id(&self) -> String {
        format!("walcast-{}", self.name)
    }

    /// The topic that holds the checkpoint.
    #[must_use]
    pub fn checkpoint_topic(&self) -> String {
        checkpoint_topic(&self.topic_prefix)
    }
}

/// The topic that holds the checkpoints of connectors with a topic prefix.
#[must_use]
pub fn checkpoint_topic(topic_prefix: &str) -> String {
    format!("{topic_prefix}.walcast-checkpoints")
}

/// How missing topics are created.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicConfig {
    /// Whether they are created at all.
    pub create: bool,
    /// Number of partitions; `None`: the broker's default.
    pub partitions: Option<NonZeroU32>,
    /// Number of replicas; `None`: the broker's default.
    pub replication: Option<NonZeroU16>,
    /// Further settings of the topic, such as `cleanup.policy`.
    pub config: BTreeMap<String, String>,
}

impl Default for TopicConfig {
    fn default() -> Self {
        Self {
            create: true,
            partitions: None,
            replication: None,
            config: BTreeMap::new(),
        }
    }
}

/// How to reach the schema registry.
#[derive(Clone, Debug)]
pub struct RegistryConfig {
    /// Its base address, without credentials.
    pub url: String,
    /// Who we are.
    pub auth: RegistryAuth,
    /// How we know it, and it us, where its address begins with `https`.
    pub tls: RegistryTls,
}

/// Certificates for TLS with the schema registry, as PEM files. They are read when the client is made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RegistryTls {
    /// The authorities that are believed; `None`: those that the system knows.
    pub ca_file: Option<PathBuf>,
    /// Our own certificate, with whatever leads up to the authority, and its key.
    pub identity: Option<ClientIdentity>,
}

/// A client's certificate and its key, as PEM files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientIdentity {
    /// The certificate, with whatever leads up to the authority.
    pub certificate_file: PathBuf,
    /// Its private key, not encrypted.
    pub key_file: PathBuf,
}

/// Who we are to the schema registry.
#[derive(Clone, Debug, Default)]
pub enum RegistryAuth {
    /// Nobody in particular.
    #[default]
    None,
    /// HTTP basic authentication.
    Basic {
        /// The user.
        user: String,
        /// The password.
        password: Secret,
    },
    /// A bearer token.
    Bearer {
        /// The token.
        token: Secret,
    },
}

/// A value that is never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Hides a value.
    #[must_use]
    pub fn new(value: impl Into<String>) -> Self {
        Self(value.into())
    }

    /// The value, for whoever has to send it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(REDACTED)
    }
}

/// What is printed in place of a secret.
pub(crate) const REDACTED: &str = "[redacted]";
