//! Properties of the worker: brokers, producer, registry.

use super::converters::{address, auto_register, converters, schemas};
use crate::debezium::draft::Setting;
use crate::debezium::rule::Translate::{By, WithAnother};
use crate::debezium::rule::{Outcome, Rule, Value, becomes, not_needed, secret};

const WORKER: &str = "the property configures the Connect worker, which is no longer needed";
const PASSWORD: &str = "secrets are never copied: set the variable that [registry] names";

pub(super) const RULES: &[Rule] = &[
    becomes("bootstrap.servers", "kafka.brokers", WithAnother),
    becomes("value.converter", "registry.url", By(converters)),
    becomes("key.converter", "registry.url", By(converters)),
    becomes("value.converter.schema.registry.url", "registry.url", By(address)),
    becomes("key.converter.schema.registry.url", "registry.url", By(address)),
    becomes(
        "value.converter.apicurio.registry.url",
        "registry.url",
        By(address),
    ),
    becomes("key.converter.apicurio.registry.url", "registry.url", By(address)),
    secret("value.converter.basic.auth.user.info", PASSWORD),
    secret("key.converter.basic.auth.user.info", PASSWORD),
    not_needed(
        "value.converter.basic.auth.credentials.source",
        "user and password are in [registry]",
    ),
    not_needed(
        "key.converter.basic.auth.credentials.source",
        "user and password are in [registry]",
    ),
    becomes(
        "value.converter.auto.register.schemas",
        "registry.auto_register",
        By(auto_register),
    )
    .default("true"),
    becomes(
        "key.converter.auto.register.schemas",
        "registry.auto_register",
        By(auto_register),
    )
    .default("true"),
    becomes("value.converter.schemas.enable", "format.value", By(schemas)),
    becomes("key.converter.schemas.enable", "format.key", By(schemas)),
    becomes("producer.*", "kafka.properties", By(producer)),
    not_needed("*", WORKER),
];

/// Properties with the same name in Java's producer and in librdkafka.
const SAME: [&str; 14] = [
    "security.protocol",
    "sasl.mechanism",
    "compression.type",
    "linger.ms",
    "client.id",
    "client.rack",
    "batch.size",
    "delivery.timeout.ms",
    "request.timeout.ms",
    "reconnect.backoff.ms",
    "reconnect.backoff.max.ms",
    "socket.connection.setup.timeout.ms",
    "metadata.max.age.ms",
    "connections.max.idle.ms",
];

/// Properties of Java's producer that have another name in librdkafka.
const RENAMED: [(&str, &str); 5] = [
    ("max.request.size", "message.max.bytes"),
    ("send.buffer.bytes", "socket.send.buffer.bytes"),
    ("receive.buffer.bytes", "socket.receive.buffer.bytes"),
    ("sasl.kerberos.service.name", "sasl.kerberos.service.name"),
    (
        "ssl.endpoint.identification.algorithm",
        "ssl.endpoint.identification.algorithm",
    ),
];

/// Properties of Java's producer that are fixed in walcast or have no meaning in librdkafka.
const FIXED: [(&str, &str); 8] = [
    ("acks", "acks is always all"),
    ("enable.idempotence", "idempotence is always on"),
    ("retries", "the number of retries is unlimited"),
    (
        "max.in.flight.requests.per.connection",
        "idempotence keeps the order for any value",
    ),
    ("transactional.id", "the transactional id is derived from name"),
    (
        "buffer.memory",
        "queues are bounded in bytes: [kafka] commit_bytes",
    ),
    ("max.block.ms", "walcast waits while the queue is full"),
    (
        "partitioner.class",
        "the partition is the one that Java's default partitioner selects by key",
    ),
];

/// Translates a producer property, from `producer.override.` of the connector or `producer.` of the worker.
pub(super) fn producer(value: &Value<'_>) -> Outcome {
    let name = value.inner;
    let line = |ours: &str, text: &str| {
        Outcome::line(Setting::text(
            &format!("kafka.properties.{ours}"),
            value.property,
            text,
        ))
    };
    if SAME.contains(&name) {
        return line(name, value.text);
    }
    if let Some((_, ours)) = RENAMED.iter().find(|(theirs, _)| *theirs == name) {
        return line(ours, value.text);
    }
    if let Some((_, why)) = FIXED.iter().find(|(theirs, _)| *theirs == name) {
        return Outcome::Nothing(why);
    }
    match name {
        "sasl.jaas.config" => jaas(value),
        "ssl.truststore.location" if type_of(value, "ssl.truststore.type") == "PEM" => line("ssl.ca.location", value.text),
        "ssl.truststore.type" | "ssl.keystore.type" => Outcome::Nothing("the format of the file determines the type"),
        "ssl.truststore.location" => Outcome::Refused(
            "Java's trust store must be converted to a PEM file (keytool -exportcert -rfc) and set as ssl.ca.location in [kafka.properties]".to_owned(),
        ),
        "ssl.keystore.location" if type_of(value, "ssl.keystore.type") == "PKCS12" => line("ssl.keystore.location", value.text),
        "ssl.keystore.location" if type_of(value, "ssl.keystore.type") == "PEM" => {
            Outcome::Lines(["ssl.certificate.location", "ssl.key.location"].map(|ours| Setting::text(&format!("kafka.properties.{ours}"), value.property, value.text)).into())
        }
        "ssl.keystore.location" => Outcome::Refused(
            "Java's key store must be converted to PKCS#12 (keytool -importkeystore -deststoretype PKCS12) and set as ssl.keystore.location in [kafka.properties]".to_owned(),
        ),
        "ssl.truststore.password" => Outcome::Nothing("a PEM file of certificates has no password"),
        "ssl.keystore.password" | "ssl.key.password" => variable(value, name),
        _ => Outcome::Refused(format!("librdkafka has no property with the name {name}")),
    }
}

/// Value of a related type property in the same group of properties.
fn type_of(value: &Value<'_>, name: &str) -> String {
    let beside = value.property.replace(value.inner, name);
    value.given.either(&beside).unwrap_or("JKS").to_ascii_uppercase()
}

/// Writes an environment variable in place of a secret.
fn variable(value: &Value<'_>, name: &str) -> Outcome {
    let variable = format!("KAFKA_{}", name.to_ascii_uppercase().replace('.', "_"));
    let line = Setting::new(&format!("kafka.properties.{name}"), format!("${{{variable}}}"));
    Outcome::line(line.by_hand(format!(
        "the secret of {} is never copied: set the environment variable {variable}",
        value.property
    )))
}

/// Translates `org.apache…ScramLoginModule required username="u" password="p";`: the user is copied, the password never.
fn jaas(value: &Value<'_>) -> Outcome {
    let is_plain_or_scram =
        value.text.contains("ScramLoginModule") || value.text.contains("PlainLoginModule");
    let user = value.text.split_once("username=").and_then(|(_, rest)| {
        let quote = rest.chars().next().filter(|quote| ['"', '\''].contains(quote))?;
        rest[1..].split_once(quote).map(|(user, _)| user)
    });
    match user {
        Some(user) if is_plain_or_scram => Outcome::Lines(vec![
            Setting::text("kafka.properties.sasl.username", value.property, user),
            Setting::new("kafka.properties.sasl.password", "${KAFKA_PASSWORD}").by_hand(format!(
                "the password of {} is never copied: set the environment variable KAFKA_PASSWORD",
                value.property
            )),
        ]),
        _ => Outcome::Refused(
            "only user and password (PLAIN, SCRAM) are read from a JAAS configuration: set librdkafka's sasl properties in [kafka.properties]".to_owned(),
        ),
    }
}

/// Translates the brokers of the worker; without the worker's file, an environment variable replaces them.
pub(super) fn brokers(value: &Value<'_>) -> Outcome {
    let key = "kafka.brokers";
    let overridden = value.given.connector("producer.override.bootstrap.servers");
    Outcome::line(match overridden.or(value.given.worker("bootstrap.servers")) {
        Some(brokers) => Setting::text(key, "bootstrap.servers", brokers).from(&["bootstrap.servers"]),
        None => Setting::new(key, "${KAFKA_BROKERS}").by_hand(
            "the properties file of the worker is missing (--worker): set the environment variable KAFKA_BROKERS, or write the brokers here".to_owned(),
        ),
    })
}
