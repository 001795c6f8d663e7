//! Ad-hoc snapshots, signals, notifications.

use crate::debezium::draft::Setting;
use crate::debezium::rule::Translate::{By, Text};
use crate::debezium::rule::{Outcome, Rule, Value, becomes, depends, not_needed, not_yet};

const BY_HTTP: &str = "`walcast snapshot` and POST /snapshot start, stop, pause and resume snapshots, beside the signal table and topic";
const ONE_TOPIC: &str = "the signal topic is read with the brokers and properties of [kafka]";
const ONCE: &str = "the checkpoint contains the offset of the signal topic: each signal is executed once";
const NO_WATERMARKS: &str =
    "rows are read from snapshots at WAL positions: there are no chunks by key, no watermarks and no writes";
const BY_METRICS: &str = "beside the topic, the process log, /metrics and /snapshot show the progress";

pub(super) const RULES: &[Rule] = &[
    becomes("signal.data.collection", "snapshot.signal_table", By(table)).default(""),
    depends(
        "signal.enabled.channels",
        channels,
        "`source` and `kafka` are enabled by the signal table or topic",
    )
    .default("source"),
    not_needed("signal.poll.interval.ms", ONCE),
    becomes("signal.kafka.topic", "snapshot.signal_topic", Text),
    not_needed("signal.kafka.groupId", ONCE),
    not_needed("signal.kafka.bootstrap.servers", ONE_TOPIC),
    not_needed("signal.kafka.poll.timeout.ms", ONCE),
    not_yet("signal.consumer.*", ONE_TOPIC),
    not_yet("signal.file", BY_HTTP).default("file-signals.txt"),
    not_needed("signal.emit.failure.max.retries", NO_WATERMARKS),
    not_needed("signal.emit.failure.backoff.ms", NO_WATERMARKS),
    not_needed("incremental.snapshot.chunk.size", NO_WATERMARKS),
    not_needed("incremental.snapshot.allow.schema.changes", NO_WATERMARKS),
    not_needed("incremental.snapshot.watermarking.strategy", NO_WATERMARKS),
    not_needed("read.only", NO_WATERMARKS),
    depends(
        "notification.enabled.channels",
        notifications,
        "`sink` is enabled by the topic, and `log` is always enabled",
    )
    .default(""),
    becomes("notification.sink.topic.name", "events.notification_topic", Text),
];

fn table(value: &Value<'_>) -> Outcome {
    match value.text.split('.').collect::<Vec<_>>().as_slice() {
        [_, _] => Outcome::line(Setting::new("snapshot.signal_table", value.text)),
        // The name may begin with the database.
        [_, schema, table] => {
            Outcome::line(Setting::new("snapshot.signal_table", format!("{schema}.{table}")))
        }
        _ => Outcome::Refused(format!("{}: the form is schema.table", value.text)),
    }
}

fn channels(value: &Value<'_>) -> Outcome {
    let topic_is_named = value
        .given
        .connector
        .iter()
        .any(|(property, _)| property == "signal.kafka.topic");
    for channel in words(value.text) {
        match channel {
            "source" => {}
            "kafka" if topic_is_named => {}
            "kafka" => {
                let why = "kafka: set [snapshot] signal_topic; Debezium's default is <topic.prefix>-signal";
                return Outcome::Refused(why.to_owned());
            }
            other => return Outcome::Refused(format!("{other}: {BY_HTTP}")),
        }
    }
    Outcome::Nothing("the signal table and topic are used if they are set")
}

fn notifications(value: &Value<'_>) -> Outcome {
    for channel in words(value.text) {
        match channel {
            "sink" | "log" => {}
            other => return Outcome::Refused(format!("{other}: {BY_METRICS}")),
        }
    }
    Outcome::Nothing("the topic is written if it is set, and notifications are also logged")
}

fn words(list: &str) -> impl Iterator<Item = &str> {
    list.split(',').map(str::trim).filter(|word| !word.is_empty())
}
