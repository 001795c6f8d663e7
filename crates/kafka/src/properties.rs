//! Additional librdkafka properties: which are accepted, and which would break a guarantee.

use std::collections::BTreeMap;
use std::fmt;

use rdkafka::ClientConfig;
use rdkafka::error::KafkaError as ClientError;

use crate::error::KafkaError;

/// Text printed in place of a secret.
pub(crate) const REDACTED: &str = "[redacted]";

/// Properties that are set by the connector, or on which its guarantees rest, with the reason.
const NOT_ALLOWED: [(&str, &str); 24] = [
    ("bootstrap.servers", "the brokers are a setting of their own"),
    ("metadata.broker.list", "the brokers are a setting of their own"),
    (
        "transactional.id",
        "it is derived from the connector's name, so that an instance fences only earlier instances of the same connector",
    ),
    (
        "transaction.timeout.ms",
        "the transaction timeout is a setting of its own",
    ),
    (
        "enable.idempotence",
        "without it a retried record may be written twice or out of order",
    ),
    (
        "enable.gapless.guarantee",
        "it would make an error fatal where aborting the transaction is enough",
    ),
    (
        "acks",
        "an acknowledgement by fewer than all in-sync replicas can be lost",
    ),
    (
        "request.required.acks",
        "an acknowledgement by fewer than all in-sync replicas can be lost",
    ),
    (
        "isolation.level",
        "a checkpoint of an aborted transaction must never be read",
    ),
    (
        "delivery.report.only.error",
        "failed records are noticed by their delivery reports",
    ),
    ("group.id", "the connector joins no consumer group"),
    ("group.instance.id", "the connector joins no consumer group"),
    ("group.protocol", "the connector joins no consumer group"),
    (
        "enable.auto.commit",
        "the position is kept in the checkpoint topic",
    ),
    (
        "enable.auto.offset.store",
        "the position is kept in the checkpoint topic",
    ),
    (
        "auto.offset.reset",
        "the checkpoint topic is always read from its beginning",
    ),
    (
        "enable.partition.eof",
        "the end of the checkpoint topic is detected by it",
    ),
    (
        "allow.auto.create.topics",
        "topics are created with the configured settings and not with the broker's defaults",
    ),
    ("check.crcs", "the checkpoint is always checked"),
    ("log.queue", "logging is configured for the whole process"),
    ("log_level", "logging is configured for the whole process"),
    ("log.thread.name", "logging is configured for the whole process"),
    ("enabled_events", "delivery reports arrive as events"),
    (
        "test.mock.num.brokers",
        "records would go to a mock cluster in memory",
    ),
];

/// Least `delivery.timeout.ms`: with less a short stall of a broker would fail every record in flight.
const DELIVERY_TIMEOUT_MS_MIN: u64 = 5_000;

/// Most requests in flight: a broker keeps the sequence numbers of so many.
const REQUESTS_IN_FLIGHT_MAX: u64 = 5;

/// Words that mark a property as secret: the value of a property whose name contains one is never printed.
const SECRET_WORDS: [&str; 6] = [
    "password",
    "secret",
    "sasl.jaas",
    "key.pem",
    "oauthbearer.config",
    "token",
];

/// Additional librdkafka properties that librdkafka accepts and that break no guarantee. `Debug` redacts secret values.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct KafkaProperties(BTreeMap<String, String>);

impl KafkaProperties {
    /// Checks the properties.
    ///
    /// # Errors
    /// [`KafkaError::PropertyNotAllowed`] for a property that would break a guarantee or is set by the connector,
    /// [`KafkaError::PropertyInvalid`] for a property that librdkafka does not know or whose value it rejects.
    pub fn new(properties: BTreeMap<String, String>) -> Result<Self, KafkaError> {
        for (key, value) in &properties {
            if let Some(why) = reason_not_allowed(key, value) {
                return Err(KafkaError::PropertyNotAllowed {
                    key: key.clone(),
                    why,
                });
            }
        }
        let properties = Self(properties);
        properties.check_with_librdkafka()?;
        Ok(properties)
    }

    fn check_with_librdkafka(&self) -> Result<(), KafkaError> {
        let mut config = ClientConfig::new();
        for (key, value) in &self.0 {
            config.set(key, value);
        }
        match config.create_native_config() {
            Ok(_checked) => Ok(()),
            Err(ClientError::ClientConfig(_, reason, key, _)) => Err(KafkaError::PropertyInvalid {
                key,
                reason: self.redact(&reason),
            }),
            Err(other) => Err(KafkaError::ClientRejected {
                reason: self.redact(&other.to_string()),
            }),
        }
    }

    /// Value of a property.
    #[must_use]
    pub fn value(&self, key: &str) -> Option<&str> {
        self.0.get(key).map(String::as_str)
    }

    /// The same properties with one that the connector sets.
    pub(crate) fn with(&self, key: &str, value: String) -> Self {
        let mut properties = self.clone();
        properties.0.insert(key.to_owned(), value);
        properties
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(key, value)| (key.as_str(), value.as_str()))
    }

    /// `text` of librdkafka without the secret values.
    pub(crate) fn redact(&self, text: &str) -> String {
        self.iter()
            .filter(|(key, value)| is_secret(key) && !value.is_empty())
            .fold(text.trim().to_owned(), |text, (_, value)| {
                text.replace(value, REDACTED)
            })
    }
}

impl fmt::Debug for KafkaProperties {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map()
            .entries(
                self.iter()
                    .map(|(key, value)| (key, if is_secret(key) { REDACTED } else { value })),
            )
            .finish()
    }
}

/// Whether the value of a librdkafka property is a secret.
#[must_use]
pub fn is_secret(key: &str) -> bool {
    SECRET_WORDS.iter().any(|word| key.contains(word))
}

fn reason_not_allowed(key: &str, value: &str) -> Option<&'static str> {
    if let Some((_, why)) = NOT_ALLOWED.iter().find(|(known, _)| *known == key) {
        return Some(why);
    }
    let number = value.trim().parse::<u64>().ok();
    match key {
        "max.in.flight" | "max.in.flight.requests.per.connection"
            if number.is_some_and(|requests| requests > REQUESTS_IN_FLIGHT_MAX) =>
        {
            Some("with more than 5 requests in flight a broker cannot recognize duplicates")
        }
        "retries" | "message.send.max.retries" if number == Some(0) => {
            Some("without retries every short failure of a broker aborts the transaction")
        }
        "message.timeout.ms" | "delivery.timeout.ms"
            if number.is_some_and(|timeout_ms| timeout_ms < DELIVERY_TIMEOUT_MS_MIN) =>
        {
            Some("below 5000 every short stall of a broker aborts the transaction")
        }
        "partitioner" if value.trim() == "random" => {
            Some("records with the same key would be written to different partitions and lose their order")
        }
        "queuing.strategy" if value.trim() == "lifo" => Some("records would lose their order"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    fn check(properties: &[(&str, &str)], expected: Expect) {
        let properties = properties
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect();
        expected.assert_eq(&match KafkaProperties::new(properties) {
            Ok(properties) => format!("{properties:?}"),
            Err(error) => error.to_string(),
        });
    }

    #[test]
    fn rejects_properties_that_break_a_guarantee() {
        check(
            &[("acks", "1")],
            expect!["acks may not be set: an acknowledgement by fewer than all in-sync replicas can be lost"],
        );
        check(
            &[("transactional.id", "mine")],
            expect![
                "transactional.id may not be set: it is derived from the connector's name, so that an instance fences only earlier instances of the same connector"
            ],
        );
        check(
            &[("max.in.flight", "6")],
            expect![
                "max.in.flight may not be set: with more than 5 requests in flight a broker cannot recognize duplicates"
            ],
        );
        check(
            &[("retries", "0")],
            expect![
                "retries may not be set: without retries every short failure of a broker aborts the transaction"
            ],
        );
        check(
            &[("partitioner", "random")],
            expect![
                "partitioner may not be set: records with the same key would be written to different partitions and lose their order"
            ],
        );
        check(
            &[("delivery.timeout.ms", "1000")],
            expect![
                "delivery.timeout.ms may not be set: below 5000 every short stall of a broker aborts the transaction"
            ],
        );
        check(
            &[("queuing.strategy", "lifo")],
            expect!["queuing.strategy may not be set: records would lose their order"],
        );
    }

    #[test]
    fn names_properties_that_librdkafka_rejects() {
        check(
            &[("max.request.size", "1")],
            expect![[r#"max.request.size: No such configuration property: "max.request.size""#]],
        );
        check(
            &[("linger.ms", "soon")],
            expect![[r#"linger.ms: Invalid value for configuration property "queue.buffering.max.ms""#]],
        );
        check(
            &[("compression.type", "rar")],
            expect![[
                r#"compression.type: Invalid value "rar" for configuration property "compression.codec""#
            ]],
        );
    }

    #[test]
    fn redacts_secrets() {
        check(
            &[
                ("sasl.username", "walcast"),
                ("sasl.password", "hunter2"),
                ("ssl.key.password", "hunter3"),
                ("linger.ms", "1"),
                ("max.in.flight", "5"),
                ("partitioner", "murmur2"),
            ],
            expect![[
                r#"{"linger.ms": "1", "max.in.flight": "5", "partitioner": "murmur2", "sasl.password": "[redacted]", "sasl.username": "walcast", "ssl.key.password": "[redacted]"}"#
            ]],
        );
        let properties =
            KafkaProperties::new([("sasl.password".to_owned(), "hunter2".to_owned())].into()).unwrap();
        assert_eq!(
            properties.redact("no login with hunter2 here\n"),
            "no login with [redacted] here"
        );
    }
}
