//! Tables and keys of the configuration.

use walcast_delivery::DeadLetterRule;
use walcast_mapper::config::{
    ColumnSettings, EventStoreRule, FlatForm, HashRule, KeyRule, MaskRule, NameSettings, OutboxRule,
    PollSettings, Route, TruncateRule, TypeModes,
};
use walcast_mapper::upcast::{Step, UpcastTest, Upcaster};

use super::error::{Hint, TableLabel};
use super::fields::fields_of;
use super::nearest::nearest;
use super::raw::{
    RawAdmin, RawBookmarks, RawConfig, RawConsumers, RawContext, RawDeadLetters, RawEvents, RawFilter,
    RawFormat, RawKafka, RawLog, RawMetrics, RawPostgres, RawRegistry, RawReplay, RawRetry, RawSlotMonitor,
    RawSnapshot, RawTopics,
};
use super::stream_snapshots::RawStreamSnapshots;

/// Table of the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Table {
    /// Name, such as `kafka.topics`; empty for keys outside of any table.
    pub(crate) path: &'static str,
    pub(crate) keys: Keys,
    /// Whether the table is an array of tables, such as `[[keys]]`.
    pub(crate) is_repeated: bool,
}

impl Table {
    /// Name as written in the file.
    pub(crate) fn label(&self) -> TableLabel {
        TableLabel(if self.is_repeated {
            format!("[{}]", self.path)
        } else {
            self.path.to_owned()
        })
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Keys {
    /// Fixed set of keys.
    Known(&'static [&'static str]),
    /// Any key; Kafka validates the keys.
    Any,
}

/// All tables, in the order of the manual.
pub(crate) fn tables() -> Vec<Table> {
    let known = |path, keys| Table {
        path,
        keys: Keys::Known(keys),
        is_repeated: false,
    };
    let any = |path| Table {
        path,
        keys: Keys::Any,
        is_repeated: false,
    };
    let repeated = |path, keys| Table {
        is_repeated: true,
        ..known(path, keys)
    };
    vec![
        known("", fields_of::<RawConfig>()),
        known("postgres", fields_of::<RawPostgres>()),
        known("kafka", fields_of::<RawKafka>()),
        known("kafka.topics", fields_of::<RawTopics>()),
        any("kafka.topics.config"),
        any("kafka.properties"),
        known("registry", fields_of::<RawRegistry>()),
        known("dead_letters", fields_of::<RawDeadLetters>()),
        repeated("dead_letters.rules", fields_of::<DeadLetterRule>()),
        known("snapshot", fields_of::<RawSnapshot>()),
        repeated("snapshot.filters", fields_of::<RawFilter>()),
        known("replay", fields_of::<RawReplay>()),
        known("bookmarks", fields_of::<RawBookmarks>()),
        known("slot_monitor", fields_of::<RawSlotMonitor>()),
        known("format", fields_of::<RawFormat>()),
        known("format.flat", fields_of::<FlatForm>()),
        known("types", fields_of::<TypeModes>()),
        known("names", fields_of::<NameSettings>()),
        repeated("names.routes", fields_of::<Route>()),
        known("columns", fields_of::<ColumnSettings>()),
        repeated("columns.mask", fields_of::<MaskRule>()),
        repeated("columns.truncate", fields_of::<TruncateRule>()),
        repeated("columns.hash", fields_of::<HashRule>()),
        repeated("keys", fields_of::<KeyRule>()),
        repeated("outbox", fields_of::<OutboxRule>()),
        repeated("event_store", fields_of::<EventStoreRule>()),
        repeated("event_store.upcasters", fields_of::<Upcaster>()),
        repeated("event_store.upcasters.steps", fields_of::<Step>()),
        repeated("event_store.upcasters.tests", fields_of::<UpcastTest>()),
        known("outbox.poll", fields_of::<PollSettings>()),
        repeated("stream_snapshots", fields_of::<RawStreamSnapshots>()),
        known("events", fields_of::<RawEvents>()),
        known("context", fields_of::<RawContext>()),
        known("retry", fields_of::<RawRetry>()),
        known("admin", fields_of::<RawAdmin>()),
        known("metrics", fields_of::<RawMetrics>()),
        known("consumers", fields_of::<RawConsumers>()),
        known("log", fields_of::<RawLog>()),
    ]
}

/// Suggestion for a `key` that `table` does not have.
pub(crate) fn hint(tables: &[Table], table: &str, key: &str, known: &'static [&'static str]) -> Hint {
    let elsewhere = tables
        .iter()
        .find(|other| other.path != table && matches!(other.keys, Keys::Known(keys) if keys.contains(&key)));
    match (elsewhere, nearest(key, known.iter().copied())) {
        (Some(other), _) => Hint::BelongsIn(other.label()),
        (None, Some(nearest)) => Hint::Nearest(nearest),
        (None, None) => Hint::Known(known),
    }
}
