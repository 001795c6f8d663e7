//! Stores, which of them is primary, and what is derived from it.

use walcast_mapper::config::{Cleanup, EventStoreRule, OutboxRule, OutboxSource, PublishedMark, TopicBy};
use walcast_mapper::names;
use walcast_mapper::pattern::PrefixPattern;

use super::asked::Asked;
use super::delivery::word;
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
            format!("primary: the source of truth; {}", read_through(config)),
        ]),
        row([
            "the topics below, in Kafka".to_owned(),
            codes(brokers),
            "derived: written by the connector alone".to_owned(),
        ]),
        row([
            match config.polled.is_empty() {
                true => "position of the connector".to_owned(),
                false => "keys of the rows that each worker has sent last".to_owned(),
            },
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

fn read_through(config: &Config) -> String {
    match config.polled.is_empty() {
        true => format!(
            "read through slot {} and publication {}",
            code(&config.postgres.slot),
            code(&config.postgres.publication)
        ),
        false => "outboxes are read by queries, without a slot".to_owned(),
    }
}

pub(super) fn derived(config: &Config, asked: &Asked) -> Vec<String> {
    let mut lines = vec![
        row(["source", "topic", "records"].map(str::to_owned)),
        "|---|---|---|".to_owned(),
    ];
    let streams = config.polled.is_empty();
    if streams {
        lines.extend(tables(config, asked));
    }
    lines.extend(config.mapper.outboxes.iter().map(outbox));
    lines.extend(
        config
            .mapper
            .event_stores
            .iter()
            .map(|rule| event_store(config, rule)),
    );
    if streams {
        lines.extend(messages(config));
    }
    if streams && config.mapper.events.transactions {
        let name = &config.mapper.events.transaction_topic;
        lines.push(row([
            "transactions".to_owned(),
            topic(config, &[name]),
            "beginning and end of each transaction, with the number of its events".to_owned(),
        ]));
    }
    if config.delivery.dead_letters.is_used() {
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
    let (source, event) = match (&rule.tables, rule.message_prefix()) {
        (Some(tables), _) if rule.source == OutboxSource::Poll => {
            (format!("polled outbox {}", code(&tables.to_string())), "row")
        }
        (Some(tables), _) => (format!("outbox {}", code(&tables.to_string())), "inserted row"),
        (None, prefix) => (
            format!(
                "outbox of messages with prefix {}",
                code(prefix.unwrap_or_default())
            ),
            "message",
        ),
    };
    row([
        source,
        format!("{} of {}", code(&rule.route_topic), code(&rule.route_by)),
        format!(
            "each {event} as an event: key {}, value {}, id {}{}",
            code(&rule.key),
            code(&rule.payload),
            code(&rule.id),
            rows_in_kafka(rule)
        ),
    ])
}

/// What becomes of rows whose events are in Kafka; empty if nothing does.
fn rows_in_kafka(rule: &OutboxRule) -> String {
    if rule.source == OutboxSource::Poll {
        let marks = &rule.poll.published;
        return match marks.as_slice() {
            [PublishedMark::Delete] => "; rows in Kafka are deleted".to_owned(),
            marks => format!("; rows in Kafka are marked by {}", codes(marks)),
        };
    }
    let Some(cleanup) = rule.cleanup else {
        return String::new();
    };
    let done = match cleanup {
        Cleanup::Delete => "deleted".to_owned(),
        Cleanup::Mark => format!("marked by {}", code(&rule.mark_column)),
        Cleanup::Archive => format!(
            "moved to {}",
            code(rule.archive_table.as_deref().unwrap_or_default())
        ),
        Cleanup::DropPartition => "dropped with their partition".to_owned(),
    };
    format!(
        "; rows in Kafka that are older than {} are {done}",
        rule.cleanup_after
    )
}

fn event_store(config: &Config, rule: &EventStoreRule) -> String {
    let route = |default: &str| code(rule.route_topic.as_deref().unwrap_or(default));
    let topic = match rule.topic_by {
        TopicBy::Table if rule.route_topic.is_none() => topic(config, &["<schema>", "<table>"]),
        TopicBy::Table => route(""),
        TopicBy::Category => format!("{} of the category", route("events.${category}")),
        TopicBy::Type => format!("{} of the type", route("events.${type}")),
    };
    row([
        format!("event store {}", code(&rule.selected().to_string())),
        topic,
        format!(
            "each event, keyed by its stream; the versions of a stream are compared (`on_violation` = {})",
            code(&word(&rule.on_violation))
        ),
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
