//! Stores, which of them is primary, and what is derived from it.

use walcast_mapper::config::{EventStoreRule, OnViolation, OutboxRule, TopicBy};
use walcast_mapper::names;
use walcast_mapper::pattern::PrefixPattern;

use super::asked::Asked;
use super::markdown::{code, codes, row};
use crate::config::Config;

pub(super) fn stores(config: &Config) -> Vec<String> {
    let connect = &config.postgres.connect;
    let brokers: Vec<&str> = config.kafka.brokers.split(',').map(str::trim).collect();
    let mut lines = vec![
        row(["store", "place", "role"].map(str::to_owned)),
        "|---|---|---|".to_owned(),
        row([
            format!("Postgres database {}", code(connect.database())),
            codes(connect.hosts()),
            format!(
                "primary: the source of truth; read through slot {} and publication {}",
                code(&config.postgres.slot),
                code(&config.postgres.publication)
            ),
        ]),
        row([
            "the topics below, in Kafka".to_owned(),
            codes(brokers),
            "derived: written by the connector alone".to_owned(),
        ]),
        row([
            "position of the connector".to_owned(),
            format!("topic {}", code(&config.kafka.checkpoint_topic())),
            "written in the Kafka transaction of the records; it must not be deleted".to_owned(),
        ]),
    ];
    if let Some(registry) = &config.registry {
        lines.push(row([
            "schemas".to_owned(),
            code(&registry.url),
            "derived from the tables; needed to read the topics".to_owned(),
        ]));
    }
    lines
}

pub(super) fn derived(config: &Config, asked: &Asked) -> Vec<String> {
    let mut lines = vec![
        row(["source", "topic", "records"].map(str::to_owned)),
        "|---|---|---|".to_owned(),
    ];
    lines.extend(tables(config, asked));
    lines.extend(config.mapper.outboxes.iter().map(outbox));
    lines.extend(config.mapper.event_stores.iter().map(event_store));
    lines.extend(messages(config));
    if config.mapper.events.transactions {
        let name = &config.mapper.events.transaction_topic;
        lines.push(row([
            "transactions".to_owned(),
            topic(config, &[name]),
            "beginning and end of each transaction, with the number of its events".to_owned(),
        ]));
    }
    let mut stores = config.mapper.event_stores.iter();
    let has_letters = stores.any(|store| store.on_violation == OnViolation::DeadLetter);
    if has_letters || config.delivery.dead_letters.is_used() {
        lines.push(row([
            "changes that cannot be delivered".to_owned(),
            code(&config.delivery.dead_letters.topic),
            "dead letters".to_owned(),
        ]));
    }
    lines
}

/// Topic with these parts after the prefix.
fn topic(config: &Config, parts: &[&str]) -> String {
    let prefix = [config.kafka.topic_prefix.as_str()];
    code(&[&prefix[..], parts].concat().join(&config.mapper.names.delimiter))
}

/// Each delivered table, or the patterns where the tables are unknown.
fn tables(config: &Config, asked: &Asked) -> Vec<String> {
    let (mapper, postgres) = (&config.mapper, &config.postgres);
    let changes = "each change of a row, keyed by the row's key".to_owned();
    match asked.delivered.as_deref() {
        Some([]) | None => {
            let mut source = format!("tables {}", codes(&postgres.tables));
            if !postgres.exclude.is_empty() {
                source.push_str(&format!(" without {}", codes(&postgres.exclude)));
            }
            let mut topic = topic(config, &["<schema>", "<table>"]);
            if !mapper.names.routes.is_empty() {
                topic.push_str(", changed by `[[names.routes]]`");
            }
            vec![row([source, topic, changes])]
        }
        Some(tables) => {
            let line = |table| {
                let topic = code(&names::topic(mapper, table));
                row([code(&table.to_string()), topic, changes.clone()])
            };
            tables.iter().map(line).collect()
        }
    }
}

fn outbox(rule: &OutboxRule) -> String {
    let source = match (&rule.tables, rule.message_prefix()) {
        (Some(tables), _) => format!("outbox {}", code(&tables.to_string())),
        (None, prefix) => format!("messages with prefix {}", code(prefix.unwrap_or_default())),
    };
    row([
        source,
        format!("{} of {}", code(&rule.route_topic), code(&rule.route_by)),
        format!(
            "each inserted row as an event: key {}, value {}, id {}",
            code(&rule.key),
            code(&rule.payload),
            code(&rule.id)
        ),
    ])
}

fn event_store(rule: &EventStoreRule) -> String {
    let topic = match (&rule.route_topic, rule.topic_by) {
        (Some(topic), _) => code(topic),
        (None, TopicBy::Table) => "that of the table".to_owned(),
        (None, TopicBy::Category) => code("events.${category}"),
        (None, TopicBy::Type) => code("events.${type}"),
    };
    row([
        format!("event store {}", code(&rule.selected().to_string())),
        topic,
        "each inserted row as an event, keyed by its stream; versions are compared in commit order"
            .to_owned(),
    ])
}

fn messages(config: &Config) -> Option<String> {
    let events = &config.mapper.events;
    if events.messages.is_empty() {
        return None;
    }
    let texts = |patterns: &[PrefixPattern]| codes(patterns.iter().cloned().map(String::from));
    let mut source = format!("messages with prefix {}", texts(&events.messages));
    if !events.exclude_messages.is_empty() {
        source.push_str(&format!(" without {}", texts(&events.exclude_messages)));
    }
    Some(row([
        source,
        code(&format!("{}.message", config.kafka.topic_prefix)),
        "messages that `pg_logical_emit_message` wrote".to_owned(),
    ]))
}
