//! Configuration of the Kafka clients, from `[kafka]`, `[kafka.topics]` and `[kafka.properties]`.

use std::collections::BTreeMap;
use std::num::{NonZeroU16, NonZeroU32};

use walcast_kafka::{KafkaConfig, KafkaError, KafkaProperties, TopicConfig};

use super::check::Check;
use super::names::Names;
use crate::config::duration::ConfigDuration;
use crate::config::error::{ConfigError, Fault};
use crate::config::raw::{RawKafka, RawTopics};

/// librdkafka's bounds of `transaction.timeout.ms`.
const TRANSACTION_TIMEOUT: (ConfigDuration, ConfigDuration) = (
    ConfigDuration::from_secs(1),
    ConfigDuration::from_millis(2_147_483_647),
);
/// More partitions are probably a mistake.
const PARTITIONS_MAX: u64 = 100_000;
/// More replicas are probably a mistake.
const REPLICATION_FACTOR_MAX: u64 = 100;

/// Security protocols that librdkafka accepts in front of a broker.
const PROTOCOLS: [&str; 4] = ["plaintext", "ssl", "sasl_plaintext", "sasl_ssl"];

/// Whether a text is the address of a broker. librdkafka takes a missing port for 9092, and with another scheme finds no broker.
fn is_broker(text: &str) -> bool {
    let address = match text.split_once("://") {
        Some((protocol, address)) if PROTOCOLS.contains(&protocol.to_ascii_lowercase().as_str()) => address,
        Some(_) => return false,
        None => text,
    };
    address
        .rsplit_once(':')
        .is_some_and(|(host, port)| !host.is_empty() && port.parse::<NonZeroU16>().is_ok())
}

impl Check<'_> {
    pub(super) fn kafka(&self, raw: &RawKafka, names: &Names) -> Result<KafkaConfig, ConfigError> {
        let example = "brokers = \"127.0.0.1:9092\" under [kafka]";
        let brokers = self.required("kafka.brokers", raw.brokers.clone(), example)?;
        let holds = brokers.split(',').all(|broker| is_broker(broker.trim()));
        let wanted = "host:port such as \"127.0.0.1:9092\", several separated by commas";
        self.rule("kafka.brokers", &brokers, wanted, holds)?;
        let (min, max) = TRANSACTION_TIMEOUT;
        let timeout_key = "kafka.transaction_timeout";
        Ok(KafkaConfig {
            name: names.connector.clone(),
            brokers,
            topic_prefix: names.topic_prefix.clone(),
            guarantee: raw.delivery_guarantee,
            transaction_timeout: self.duration(timeout_key, raw.transaction_timeout, min, max)?,
            topics: self.topics(&raw.topics)?,
            properties: self.kafka_properties(&raw.properties)?,
        })
    }

    fn topics(&self, raw: &RawTopics) -> Result<TopicConfig, ConfigError> {
        if let Some(partitions) = raw.partitions {
            self.range("kafka.topics.partitions", partitions.into(), 1, PARTITIONS_MAX)?;
        }
        if let Some(replication) = raw.replication_factor {
            let key = "kafka.topics.replication_factor";
            self.range(key, replication.into(), 1, REPLICATION_FACTOR_MAX)?;
        }
        let mut config = self.properties("kafka.topics.config", &raw.config)?;
        if let Some(policy) = &raw.cleanup_policy {
            let holds = ["delete", "compact", "compact,delete", "delete,compact"].contains(&policy.as_str());
            let wanted = "\"delete\", \"compact\" or \"compact,delete\"";
            self.rule("kafka.topics.cleanup_policy", policy, wanted, holds)?;
            if config
                .insert("cleanup.policy".to_owned(), policy.clone())
                .is_some()
            {
                let (first, second) = (
                    "kafka.topics.cleanup_policy",
                    "cleanup.policy in [kafka.topics.config]",
                );
                return Err(self.document.error_at(first, Fault::Both { first, second }));
            }
        }
        Ok(TopicConfig {
            auto_create: raw.auto_create,
            partitions: raw.partitions.and_then(NonZeroU32::new),
            replication_factor: raw
                .replication_factor
                .and_then(|replication| u16::try_from(replication).ok())
                .and_then(NonZeroU16::new),
            config,
        })
    }

    fn kafka_properties(&self, raw: &BTreeMap<String, toml::Value>) -> Result<KafkaProperties, ConfigError> {
        let table = "kafka.properties";
        KafkaProperties::new(self.properties(table, raw)?).map_err(|source| {
            let place = match &source {
                KafkaError::PropertyNotAllowed { key, .. } | KafkaError::PropertyInvalid { key, .. } => {
                    format!("{table}.{key}")
                }
                _ => table.to_owned(),
            };
            self.document.error_at(&place, Fault::Property { source })
        })
    }

    /// Flattens nested tables: TOML parses `linger.ms = 5` as a table `linger`, but Kafka's property is `linger.ms`.
    fn properties(
        &self,
        table: &'static str,
        raw: &BTreeMap<String, toml::Value>,
    ) -> Result<BTreeMap<String, String>, ConfigError> {
        let mut flat = BTreeMap::new();
        let of_table = raw.iter().map(|(name, value)| (name.clone(), value));
        let mut pending: Vec<(String, &toml::Value)> = of_table.collect();
        while let Some((name, value)) = pending.pop() {
            let text = match value {
                toml::Value::Table(nested) => {
                    let nested = nested.iter();
                    pending.extend(nested.map(|(key, value)| (format!("{name}.{key}"), value)));
                    continue;
                }
                toml::Value::String(text) => text.clone(),
                toml::Value::Integer(number) => number.to_string(),
                toml::Value::Float(number) => number.to_string(),
                toml::Value::Boolean(flag) => flag.to_string(),
                toml::Value::Array(_) | toml::Value::Datetime(_) => {
                    let wanted = "a string, a number or a boolean as its value";
                    return Err(self.wrong_at(&format!("{table}.{name}"), table, &name, wanted));
                }
            };
            flat.insert(name, text);
        }
        Ok(flat)
    }
}
