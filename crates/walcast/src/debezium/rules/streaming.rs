//! Streaming: queues, heartbeats, transactions, messages, errors.

use crate::debezium::draft::Setting;
use crate::debezium::regex_list;
use crate::debezium::rule::Translate::{By, Flag, Millis, Text};
use crate::debezium::rule::{Outcome, Rule, Value, becomes, not_needed, not_yet};

const QUEUES: &str = "queues are bounded in bytes: [postgres] queue_bytes, [kafka] commit_bytes";
const PACE: &str = "a change is sent as soon as it is read; [kafka] commit_interval spaces the commits";
const NEVER_SKIPPED: &str =
    "an event that cannot be delivered halts the connector; no setting skips it silently";
const RETRIED: &str = "every transient error is retried without limit, with the backoff of [retry]";

pub(super) const RULES: &[Rule] = &[
    not_needed("max.batch.size", QUEUES),
    not_needed("max.queue.size", QUEUES),
    not_needed("max.queue.size.in.bytes", QUEUES),
    not_needed("queue.provider.type", QUEUES).default("memory"),
    not_needed("poll.interval.ms", PACE),
    not_needed("poll.dispatch.interval.ms", PACE),
    becomes("heartbeat.interval.ms", "events.heartbeat_interval", Millis).default("0"),
    not_needed(
        "heartbeat.action.query",
        "the server's keepalives contain the end of WAL: an idle database retains nothing, and no table is written to",
    ),
    becomes("heartbeat.topics.prefix", "events.heartbeat_topic_prefix", Text).default("__debezium-heartbeat"),
    becomes("provide.transaction.metadata", "events.transactions", Flag).default("false"),
    not_yet("transaction.metadata.factory", "a Java class cannot be loaded")
        .default("io.debezium.pipeline.txmetadata.DefaultTransactionMetadataFactory"),
    becomes("skipped.operations", "events.operations", By(operations))
        .default("t")
        .withholds(),
    becomes("skip.messages.without.change", "events.skip_unchanged", Flag).default("false"),
    becomes("tombstones.on.delete", "format.tombstones_on_delete", Flag).default("true"),
    becomes("message.prefix.include.list", "events.messages", By(messages))
        .default("")
        .withholds(),
    becomes(
        "message.prefix.exclude.list",
        "events.exclude_messages",
        By(messages),
    )
    .default("")
    .withholds(),
    not_needed(
        "schema.refresh.mode",
        "the schema follows from the stream at the position of the change",
    )
    .default("columns_diff"),
    not_needed("event.processing.failure.handling.mode", NEVER_SKIPPED).default("fail"),
    not_needed("event.converting.failure.handling.mode", NEVER_SKIPPED).default("warn"),
    not_needed("errors.max.retries", RETRIED).default("-1"),
    not_needed("retriable.restart.connector.wait.ms", RETRIED),
    not_needed("custom.retriable.exception", RETRIED),
    not_needed(
        "executor.shutdown.timeout.ms",
        "a stop waits up to five seconds for Kafka; uncommitted changes are read again",
    ),
    becomes("extended.headers.enabled", "format.context_headers", Flag).default("true"),
    not_needed("statistics.metrics.enabled", "/metrics has histograms"),
    not_needed("advanced.metrics.enable", "/metrics has everything"),
    not_yet(
        "custom.metric.tags",
        "the collector that scrapes /metrics adds labels",
    )
    .default(""),
    not_yet("openlineage.integration.*", "lineage is not reported").default("false"),
];

const OPERATIONS: [(char, &str); 4] = [
    ('c', "create"),
    ('u', "update"),
    ('d', "delete"),
    ('t', "truncate"),
];

/// Translates skipped operations to the operations that are sent.
fn operations(value: &Value<'_>) -> Outcome {
    let mut skipped: Vec<char> = Vec::new();
    let mut problems = Vec::new();
    for word in value
        .text
        .split(',')
        .map(str::trim)
        .filter(|word| !word.is_empty())
    {
        match OPERATIONS.iter().find(|(letter, _)| word == letter.to_string()) {
            Some((letter, _)) => skipped.push(*letter),
            None if word == "none" => {}
            None => problems.push(format!("{word} is not an operation of Debezium")),
        }
    }
    let sent = OPERATIONS.iter().filter(|(letter, _)| !skipped.contains(letter));
    let sent: Vec<toml::Value> = sent.map(|(_, name)| toml::Value::from(*name)).collect();
    let lines = match skipped.is_empty() && !problems.is_empty() {
        true => Vec::new(),
        false => vec![Setting::new("events.operations", sent)],
    };
    Outcome::of(lines, &problems)
}

/// Translates lists of message prefixes.
fn messages(value: &Value<'_>) -> Outcome {
    let key = if value.property.contains(".include.") {
        "events.messages"
    } else {
        "events.exclude_messages"
    };
    regex_list::all(value.text, regex_list::prefix).setting(key)
}
