//! Properties of Kafka Connect in a connector's configuration.

use walcast_mapper::config::DebeziumVersion;

use super::converters::{address, auto_register, converters, schemas};
use super::kafka::{brokers, producer};
use crate::debezium::connect_json::PLUGIN_VERSION;
use crate::debezium::draft::Setting;
use crate::debezium::rule::Translate::{By, Text, Words};
use crate::debezium::rule::{Outcome, Rule, Value, becomes, not_needed, not_yet, secret};

const VERSION: &str = "format.debezium_version";
const WORKER_ERRORS: &str =
    "an event that cannot be delivered halts the connector, and the message names the record";
const PASSWORD: &str = "secrets are never copied: set the variable that [registry] names";
const EXACTLY_ONCE: &str =
    "exactly once is the default, and a Kafka transaction holds whole source transactions";

/// Replacement of nulls in columns with a default: values of the JSON converter's property, and of the Avro converter's.
const KEPT: &[(&str, &str)] = &[("true", "default"), ("false", "null")];
const IGNORED: &[(&str, &str)] = &[("false", "default"), ("true", "null")];

pub(super) const RULES: &[Rule] = &[
    becomes("name", "name", By(name)).default("debezium").always(),
    not_needed("connector.class", "the class of the connector that is migrated"),
    becomes(PLUGIN_VERSION, VERSION, By(release)).default("").always(),
    not_needed("tasks.max", "one task reads a slot, in Debezium too"),
    not_needed("tasks.max.enforce", "one task reads a slot, in Debezium too"),
    not_needed("exactly.once.support", EXACTLY_ONCE),
    not_needed("transaction.boundary", EXACTLY_ONCE),
    not_needed("transaction.boundary.interval.ms", EXACTLY_ONCE),
    not_needed(
        "offsets.storage.topic",
        "the position is in the checkpoint topic; walcast migrate debezium-offset reads the offsets topic once",
    ),
    not_needed("config.action.reload", "there are no config providers"),
    not_needed(
        "header.converter",
        "the connector's own headers are text, as Connect's default converter writes them",
    ),
    not_needed("errors.retry.timeout", WORKER_ERRORS),
    not_needed("errors.retry.delay.max.ms", WORKER_ERRORS),
    not_needed("errors.tolerance", WORKER_ERRORS).default("none"),
    not_needed("errors.log.enable", WORKER_ERRORS),
    not_needed("errors.log.include.messages", WORKER_ERRORS),
    becomes("value.converter", "registry.url", By(converters))
        .default("")
        .always(),
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
    secret("value.converter.bearer.auth.token", PASSWORD),
    secret("key.converter.bearer.auth.token", PASSWORD),
    not_needed(
        "value.converter.basic.auth.credentials.source",
        "user and password are in [registry]",
    ),
    not_needed(
        "key.converter.basic.auth.credentials.source",
        "user and password are in [registry]",
    ),
    not_needed(
        "value.converter.apicurio.*",
        "records have Confluent's wire format, with content ids",
    ),
    not_needed(
        "key.converter.apicurio.*",
        "records have Confluent's wire format, with content ids",
    ),
    not_needed(
        "value.converter.enhanced.avro.schema.support",
        "only Connect's own types are used",
    )
    .default("false"),
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
    becomes(
        "value.converter.replace.null.with.default",
        "format.null_with_default",
        Words(KEPT),
    )
    .default("true"),
    becomes(
        "value.converter.ignore.default.for.nullables",
        "format.null_with_default",
        Words(IGNORED),
    )
    .default("false"),
    not_yet(
        "value.converter.*",
        "walcast has no other settings of the converter",
    ),
    not_yet(
        "key.converter.*",
        "walcast has no other settings of the converter",
    ),
    becomes(
        "topic.creation.default.partitions",
        "kafka.topics.partitions",
        By(count),
    ),
    becomes(
        "topic.creation.default.replication.factor",
        "kafka.topics.replication_factor",
        By(count),
    ),
    becomes(
        "topic.creation.default.cleanup.policy",
        "kafka.topics.cleanup_policy",
        Text,
    ),
    not_yet(
        "topic.creation.groups",
        "all topics are created with the same settings",
    )
    .default(""),
    not_needed(
        "topic.creation.default.include",
        "all topics are created with the same settings",
    ),
    not_needed(
        "topic.creation.default.exclude",
        "all topics are created with the same settings",
    ),
    becomes(
        "topic.creation.default.*",
        "kafka.topics.config",
        By(topic_config),
    ),
    not_yet(
        "topic.creation.*",
        "all topics are created with the same settings",
    ),
    becomes("producer.override.*", "kafka.properties", By(producer)),
    becomes("bootstrap.servers", "kafka.brokers", By(brokers))
        .default("")
        .always(),
    not_needed("admin.override.*", "one client is used for everything"),
    not_needed("consumer.override.*", "only the checkpoint topic is consumed"),
];

/// Translates the name of the connector, which determines the transactional id and the checkpoint key.
fn name(value: &Value<'_>) -> Outcome {
    let plain = |character: char| {
        let lower = character.to_ascii_lowercase();
        if lower.is_ascii_alphanumeric() || lower == '_' {
            lower
        } else {
            '-'
        }
    };
    let name: String = value.text.chars().map(plain).collect();
    if !name.starts_with(|first: char| first.is_ascii_lowercase()) || name.len() > 55 {
        return Outcome::Refused(
            "names begin with a letter and have up to 55 of a-z, 0-9, _ and -: choose one".to_owned(),
        );
    }
    let line = Setting::new("name", name.clone());
    let is_same = name == value.text;
    Outcome::line(if is_same {
        line
    } else {
        line.by_hand(format!(
            "derived from the connector's name {:?}, which contains characters that a name must not contain",
            value.text
        ))
    })
}

/// Translates the release of the connector to the version with its fields.
fn release(value: &Value<'_>) -> Outcome {
    Outcome::line(match DebeziumVersion::of_release(value.text) {
        Some(version) => Setting::new(VERSION, version.as_str()),
        None => Setting::new(VERSION, DebeziumVersion::default().as_str()).by_hand(
            "the release of the connector is not known: --connect-url asks the worker; from Debezium 3.5 on, write \"3.6\""
                .to_owned(),
        ),
    })
}

/// Translates a number of partitions or replicas; -1 selects the broker's default.
fn count(value: &Value<'_>) -> Outcome {
    let key = if value.property.ends_with(".partitions") {
        "kafka.topics.partitions"
    } else {
        "kafka.topics.replication_factor"
    };
    match value.text.parse::<i64>() {
        Ok(-1) => Outcome::Nothing("the broker's number is the default"),
        Ok(count) => Outcome::line(Setting::new(key, count)),
        Err(_) => Outcome::Refused(format!("{} is not an integer", value.text)),
    }
}

/// Copies a topic setting, whose name is the same in every client.
fn topic_config(value: &Value<'_>) -> Outcome {
    Outcome::line(Setting::text(
        &format!("kafka.topics.config.{}", value.inner),
        value.property,
        value.text,
    ))
}
