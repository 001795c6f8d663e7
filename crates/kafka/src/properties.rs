//! librdkafka properties of the user's own: which are let through, and which would break a promise.

use std::collections::BTreeMap;
use std::fmt;

use rdkafka::ClientConfig;
use rdkafka::error::KafkaError as ClientError;

use crate::KafkaError;
use crate::config::REDACTED;

/// Properties that are set elsewhere, or on which the guarantee rests.
const REFUSED: [(&str, &str); 24] = [
    ("bootstrap.servers", "it is set by [kafka] brokers"),
    ("metadata.broker.list", "it is set by [kafka] brokers"),
    (
        "transactional.id",
        "it follows from name, so that an instance fences its own predecessor and nobody else's",
    ),
    (
        "transaction.timeout.ms",
        "it is set by [kafka] transaction_timeout_ms",
    ),
    (
        "enable.idempotence",
        "without it a retried record may be written twice or out of order",
    ),
    (
        "enable.gapless.guarantee",
        "it would end the producer where aborting the transaction is enough",
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
        "delivery reports are how a failed record is noticed",
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
        "it is how the end of the checkpoint topic is seen",
    ),
    (
        "allow.auto.create.topics",
        "topics are created as [kafka.topics] says, not by the broker's defaults",
    ),
    ("check.crcs", "the checkpoint is always checked"),
    ("log.queue", "logging is set by [log]"),
    ("log_level", "logging is set by [log]"),
    ("log.thread.name", "logging is set by [log]"),
    ("enabled_events", "it is how delivery reports arrive"),
    (
        "test.mock.num.brokers",
        "records would go to a mock cluster in memory",
    ),
];

/// Below this a short stall of a broker would fail every record under way.
const DELIVERY_TIMEOUT_MS_MIN: u64 = 5_000;

/// More requests under way than a broker keeps sequence numbers for.
const REQUESTS_IN_FLIGHT_MAX: u64 = 5;

/// Properties whose values are never printed: any that contains one of these.
const SECRET_WORDS: [&str; 6] = [
    "password",
    "secret",
    "sasl.jaas",
    "key.pem",
    "oauthbearer.config",
    "token",
];

/// librdkafka properties that break no promise and that librdkafka knows. Secret values are not printed.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Properties(BTreeMap<String, String>);

impl Properties {
    /// Checks properties.
    ///
    /// # Errors
    /// [`KafkaError::PropertyRefused`] for one that would break the guarantee or is set elsewhere,
    /// [`KafkaError::PropertyRejected`] for one that librdkafka does not know or whose value it does not take.
    pub fn new(properties: BTreeMap<String, String>) -> Result<Self, KafkaError> {
        for (key, value) in &properties {
            if let Some(why) = refusal(key, value) {
                return Err(KafkaError::PropertyRefused {
                    key: key.clone(),
                    why,
                });
            }
        }
        let properties = Self(properties);
        properties.known()?;
        Ok(properties)
    }

    fn known(&self) -> Result<(), KafkaError> {
        let mut config = ClientConfig::new();
        for (key, value) in &self.0 {
            config.set(key, value);
        }
        match config.create_native_config() {
            Ok(_checked) => Ok(()),
            Err(ClientError::ClientConfig(_, reason, key, _)) => Err(KafkaError::PropertyRejected {
                key,
                reason: self.redact(&reason),
            }),
            Err(other) => Err(KafkaError::ClientRejected {
                reason: self.redact(&other.to_string()),
            }),
        }
    }

    /// The value of a property.
    #[must_use]
    pub fn value(&self, key: &str) -> Option<&str> {
        self.0.get(key).map(String::as_str)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(key, value)| (key.as_str(), value.as_str()))
    }

    /// `text` without any of the secret values, for what librdkafka says.
    pub(crate) fn redact(&self, text: &str) -> String {
        self.iter()
            .filter(|(key, value)| is_secret(key) && !value.is_empty())
            .fold(text.trim().to_owned(), |text, (_, value)| {
                text.replace(value, REDACTED)
            })
    }
}

impl fmt::Debug for Properties {
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

fn refusal(key: &str, value: &str) -> Option<&'static str> {
    if let Some((_, why)) = REFUSED.iter().find(|(refused, _)| *refused == key) {
        return Some(why);
    }
    let number = value.trim().parse::<u64>().ok();
    match key {
        "max.in.flight" | "max.in.flight.requests.per.connection"
            if number.is_some_and(|requests| requests > REQUESTS_IN_FLIGHT_MAX) =>
        {
            Some("with more than 5 requests under way a broker cannot tell repeats")
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
            Some("records of one key would go to different partitions and lose their order")
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
        expected.assert_eq(&match Properties::new(properties) {
            Ok(properties) => format!("{properties:?}"),
            Err(error) => error.to_string(),
        });
    }

    #[test]
    fn what_breaks_the_guarantee_is_refused() {
        check(
            &[("acks", "1")],
            expect![
                "[kafka.properties] acks may not be set: an acknowledgement by fewer than all in-sync replicas can be lost"
            ],
        );
        check(
            &[("transactional.id", "mine")],
            expect![
                "[kafka.properties] transactional.id may not be set: it follows from name, so that an instance fences its own predecessor and nobody else's"
            ],
        );
        check(
            &[("max.in.flight", "6")],
            expect![
                "[kafka.properties] max.in.flight may not be set: with more than 5 requests under way a broker cannot tell repeats"
            ],
        );
        check(
            &[("retries", "0")],
            expect![
                "[kafka.properties] retries may not be set: without retries every short failure of a broker aborts the transaction"
            ],
        );
        check(
            &[("partitioner", "random")],
            expect![
                "[kafka.properties] partitioner may not be set: records of one key would go to different partitions and lose their order"
            ],
        );
        check(
            &[("delivery.timeout.ms", "1000")],
            expect![
                "[kafka.properties] delivery.timeout.ms may not be set: below 5000 every short stall of a broker aborts the transaction"
            ],
        );
        check(
            &[("queuing.strategy", "lifo")],
            expect!["[kafka.properties] queuing.strategy may not be set: records would lose their order"],
        );
    }

    #[test]
    fn what_librdkafka_does_not_know_is_named() {
        check(
            &[("max.request.size", "1")],
            expect![[
                r#"[kafka.properties] max.request.size: No such configuration property: "max.request.size""#
            ]],
        );
        check(
            &[("linger.ms", "soon")],
            expect![[
                r#"[kafka.properties] linger.ms: Invalid value for configuration property "queue.buffering.max.ms""#
            ]],
        );
        check(
            &[("compression.type", "rar")],
            expect![[
                r#"[kafka.properties] compression.type: Invalid value "rar" for configuration property "compression.codec""#
            ]],
        );
    }

    #[test]
    fn secrets_are_not_printed() {
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
            Properties::new([("sasl.password".to_owned(), "hunter2".to_owned())].into()).unwrap();
        assert_eq!(
            properties.redact("no login with hunter2 here\n"),
            "no login with [redacted] here"
        );
    }
}
