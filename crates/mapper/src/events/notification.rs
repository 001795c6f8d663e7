//! Notifications of the progress of snapshots, for programs that wait for it.
//!
//! The records are those of Debezium's channel `sink`
//! (<https://debezium.io/documentation/reference/stable/configuration/notification.html>).

use super::topic::EventTopic;
use crate::config::MapperConfig;
use crate::connect::{ConnectSchema, Kind};
use crate::encode::Scratch;
use crate::format::{Format, Nullability};
use crate::record_buffer::RecordBuffer;
use crate::row::RowError;
use crate::serialization::Body;

/// Encoder of notifications.
#[derive(Debug)]
pub struct NotificationEvents {
    /// Topic of notifications.
    pub topic: EventTopic,
    connector: String,
}

/// A notification.
#[derive(Clone, Debug)]
pub struct Notification<'a> {
    /// Identifier shared by the notifications of one snapshot.
    pub id: &'a str,
    /// Kind of the snapshot.
    pub of: SnapshotKind,
    /// Event in the snapshot.
    pub happened: SnapshotEvent,
    /// Additional data.
    pub data: Vec<(&'static str, String)>,
    /// Time, milliseconds since 1970.
    pub unix_millis: i64,
}

/// Debezium's kinds of snapshots.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SnapshotKind {
    /// A snapshot at the first start, or one with the same markers.
    Initial,
    /// A snapshot requested while changes are streamed.
    Incremental,
}

/// Event of a snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SnapshotEvent {
    /// The snapshot started.
    Started,
    /// A table started.
    InProgress,
    /// A table was completed.
    TableScanCompleted,
    /// All tables were completed.
    Completed,
    /// The snapshot was paused.
    Paused,
    /// The snapshot was resumed.
    Resumed,
    /// The snapshot, or the rest of it for some tables, was aborted.
    Aborted,
}

const KEY: &str = "io.debezium.connector.common.NotificationKey";
const VALUE: &str = "io.debezium.connector.common.Notification";
const ID: &str = "id";
const TYPE: &str = "type";
const AGGREGATE_TYPE: &str = "aggregate_type";
const ADDITIONAL_DATA: &str = "additional_data";
const TIMESTAMP: &str = "timestamp";
const CONNECTOR_NAME: &str = "connector_name";

impl SnapshotKind {
    /// Debezium's name of the kind.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Initial => "Initial Snapshot",
            Self::Incremental => "Incremental Snapshot",
        }
    }
}

impl SnapshotEvent {
    /// Debezium's name of the event.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Started => "STARTED",
            Self::InProgress => "IN_PROGRESS",
            Self::TableScanCompleted => "TABLE_SCAN_COMPLETED",
            Self::Completed => "COMPLETED",
            Self::Paused => "PAUSED",
            Self::Resumed => "RESUMED",
            Self::Aborted => "ABORTED",
        }
    }
}

impl NotificationEvents {
    /// Creates the encoder with the topic and its schemas; `None` without a topic.
    #[must_use]
    pub fn new(config: &MapperConfig) -> Option<Self> {
        let name = config.events.notification_topic.clone()?;
        let text = || ConnectSchema::plain(Kind::String);
        let data = Kind::Map {
            keys: Box::new(text().required()),
            values: Box::new(text().required()),
        };
        let key = ConnectSchema::first_version(KEY, vec![text().required().named(ID)]);
        let fields = vec![
            text().required().named(ID),
            text().required().named(TYPE),
            text().required().named(AGGREGATE_TYPE),
            ConnectSchema::from(data).optional().named(ADDITIONAL_DATA),
            ConnectSchema::plain(Kind::Int64).required().named(TIMESTAMP),
        ];
        Some(Self {
            topic: EventTopic::new(name, config, &key, &ConnectSchema::first_version(VALUE, fields)),
            connector: config.topic_prefix.clone(),
        })
    }

    /// Appends a notification to `buffer`.
    ///
    /// # Panics
    /// When the topic is not bound to its schemas' ids.
    pub fn notify(&self, notification: &Notification<'_>, buffer: &mut RecordBuffer) {
        let value = Value {
            notification,
            connector: &self.connector,
        };
        self.topic
            .push(&Key(notification.id), &value, &mut Scratch::default(), buffer);
    }
}

struct Key<'a>(&'a str);

impl Body for Key<'_> {
    fn put<F: Format>(&self, _: &mut Scratch, out: &mut Vec<u8>) -> Result<(), RowError> {
        F::begin_record(out);
        F::field(ID, out);
        F::string(self.0.as_bytes(), out);
        F::end_record(out);
        Ok(())
    }
}

struct Value<'a> {
    notification: &'a Notification<'a>,
    connector: &'a str,
}

impl Body for Value<'_> {
    fn put<F: Format>(&self, _: &mut Scratch, out: &mut Vec<u8>) -> Result<(), RowError> {
        let Notification {
            id,
            of,
            happened,
            data,
            unix_millis,
        } = self.notification;
        F::begin_record(out);
        for (field, text) in [
            (ID, *id),
            (TYPE, happened.as_str()),
            (AGGREGATE_TYPE, of.as_str()),
        ] {
            F::field(field, out);
            F::string(text.as_bytes(), out);
        }
        F::field(ADDITIONAL_DATA, out);
        F::present(Nullability::NullFirst, out);
        F::begin_map(data.len() + 1, out);
        let connector = (CONNECTOR_NAME, self.connector);
        let data = data.iter().map(|(key, value)| (*key, value.as_str()));
        for (key, value) in [connector].into_iter().chain(data) {
            F::entry(key.as_bytes(), out);
            F::string(value.as_bytes(), out);
        }
        F::end_map(out);
        F::field(TIMESTAMP, out);
        F::integer(*unix_millis, out);
        F::end_record(out);
        Ok(())
    }
}
