//! Ad-hoc snapshots, signals, notifications.

use crate::debezium::draft::Setting;
use crate::debezium::rule::Translate::{By, Text};
use crate::debezium::rule::{Outcome, Rule, Value, becomes, depends, not_needed, not_yet};

const BY_HTTP: &str = "`walcast snapshot` and POST /snapshot start, stop, pause and resume reading, beside the signal table and topic";
const ONE_TOPIC: &str = "the signal topic is read with the brokers and properties of [kafka]";
const ONCE: &str = "how far the topic is read is in the checkpoint: each signal is carried out once";
const NO_WATERMARKS: &str = "rows are read from snapshots at positions of the log: there are no chunks by key, no watermarks and no writes";
const BY_METRICS: &str = "beside the topic, the log, /metrics and /snapshot tell it";

pub(super) const RULES: &[Rule] = &[
    becomes("signal.data.collection", "snapshot.signal_table", By(table)).default(""),
    depends(
        "signal.enabled.channels",
        channels,
        "`source` and `kafka` are there once the table or the topic is set",
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
        "`sink` is there once the topic is set, and `log` is always there",
    )
    .default(""),
    becomes("notification.sink.topic.name", "events.notification_topic", Text),
];

fn table(value: &Value<'_>) -> Outcome {
    match value.text.split('.').collect::<Vec<_>>().as_slice() {
        [_, _] => Outcome::line(Setting::new("snapshot.signal_table", value.text)),
        // Some write the database before it.
        [_, schema, table] => {
            Outcome::line(Setting::new("snapshot.signal_table", format!("{schema}.{table}")))
        }
        _ => Outcome::Refused(format!("{}: it is not schema.table", value.text)),
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
                let why = "kafka: write the topic, which Debezium calls <topic.prefix>-signal, into [snapshot] signal_topic";
                return Outcome::Refused(why.to_owned());
            }
            other => return Outcome::Refused(format!("{other}: {BY_HTTP}")),
        }
    }
    Outcome::Nothing("the table and the topic are listened to once they are set")
}

fn notifications(value: &Value<'_>) -> Outcome {
    for channel in words(value.text) {
        match channel {
            "sink" | "log" => {}
            other => return Outcome::Refused(format!("{other}: {BY_METRICS}")),
        }
    }
    Outcome::Nothing("the topic is written once it is set, and the log tells it too")
}

fn words(list: &str) -> impl Iterator<Item = &str> {
    list.split(',').map(str::trim).filter(|word| !word.is_empty())
}
