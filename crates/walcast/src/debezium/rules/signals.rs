//! Ad-hoc snapshots, signals, notifications.

use crate::debezium::rule::{Rule, not_yet};

const NO_SIGNALS: &str =
    "signals start snapshots while changes are streamed; here rows are read at a start ([snapshot] mode)";
const NO_NOTIFICATIONS: &str =
    "notifications tell how far a snapshot is; here the log, /metrics and `walcast checkpoint show` do";

pub(super) const RULES: &[Rule] = &[
    not_yet("signal.data.collection", NO_SIGNALS).default(""),
    not_yet("signal.enabled.channels", NO_SIGNALS).default("source"),
    not_yet("signal.poll.interval.ms", NO_SIGNALS).default("5000"),
    not_yet("signal.kafka.topic", NO_SIGNALS),
    not_yet("signal.kafka.groupId", NO_SIGNALS).default("kafka-signal"),
    not_yet("signal.kafka.bootstrap.servers", NO_SIGNALS),
    not_yet("signal.kafka.poll.timeout.ms", NO_SIGNALS).default("100"),
    not_yet("signal.consumer.*", NO_SIGNALS),
    not_yet("signal.file", NO_SIGNALS).default("file-signals.txt"),
    not_yet("signal.emit.failure.max.retries", NO_SIGNALS),
    not_yet("signal.emit.failure.backoff.ms", NO_SIGNALS),
    not_yet("incremental.snapshot.chunk.size", NO_SIGNALS).default("1024"),
    not_yet("incremental.snapshot.allow.schema.changes", NO_SIGNALS).default("false"),
    not_yet("incremental.snapshot.watermarking.strategy", NO_SIGNALS).default("insert_insert"),
    not_yet("read.only", NO_SIGNALS).default("false"),
    not_yet("notification.enabled.channels", NO_NOTIFICATIONS).default(""),
    not_yet("notification.sink.topic.name", NO_NOTIFICATIONS),
];
