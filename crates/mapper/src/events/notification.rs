//! Notifications: how far reading existing rows is, for programs that wait for it.
//!
//! The records are those of Debezium's channel `sink`
//! (<https://debezium.io/documentation/reference/stable/configuration/notification.html>).

use super::first_version;
use super::topic::EventTopic;
use crate::connect::{ConnectSchema, Kind};
use crate::encode::Scratch;
use crate::envelope::RowFault;
use crate::format::{Format, Nullability};
use crate::serialization::Body;
use crate::{Batch, MapperConfig};

/// The topic of notifications and its records.
#[derive(Debug)]
pub struct NotificationEvents {
    /// Where they go.
    pub topic: EventTopic,
    connector: String,
}

/// What is notified.
#[derive(Clone, Debug)]
pub struct Notification<'a> {
    /// What all notifications of one snapshot have in common.
    pub id: &'a str,
    /// Which kind of snapshot it is of.
    pub of: SnapshotKind,
    /// What happened.
    pub happened: SnapshotEvent,
    /// More about it.
    pub data: Vec<(&'static str, String)>,
    /// When, milliseconds since 1970.
    pub unix_millis: i64,
}

/// Debezium's kinds of snapshots.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SnapshotKind {
    /// At the first start, or as if it were one.
    Initial,
    /// Asked for while changes are streamed.
    Incremental,
}

/// What can happen to one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SnapshotEvent {
    /// Reading begins.
    Started,
    /// A table is begun.
    InProgress,
    /// A table is read to its end.
    TableScanCompleted,
    /// All tables are.
    Completed,
    /// Reading waits.
    Paused,
    /// It goes on.
    Resumed,
    /// It was stopped, as a whole or for some tables.
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
    /// Debezium's words.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Initial => "Initial Snapshot",
            Self::Incremental => "Incremental Snapshot",
        }
    }
}

impl SnapshotEvent {
    /// Debezium's word.
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
    /// The topic and its schemas; `None` when nothing is notified.
    #[must_use]
    pub fn new(config: &MapperConfig) -> Option<Self> {
        let name = config.events.notification_topic.clone()?;
        let text = || ConnectSchema::plain(Kind::String);
        let data = Kind::Map {
            keys: Box::new(text().required()),
            values: Box::new(text().required()),
        };
        let key = first_version(KEY, vec![text().required().named(ID)]);
        let fields = vec![
            text().required().named(ID),
            text().required().named(TYPE),
            text().required().named(AGGREGATE_TYPE),
            ConnectSchema::from(data).optional().named(ADDITIONAL_DATA),
            ConnectSchema::plain(Kind::Int64).required().named(TIMESTAMP),
        ];
        Some(Self {
            topic: EventTopic::new(name, config, &key, &first_version(VALUE, fields)),
            connector: config.topic_prefix.clone(),
        })
    }

    /// Writes one notification to the end of `batch`.
    ///
    /// # Panics
    /// When the topic is not bound to its schemas' ids.
    pub fn notify(&self, notification: &Notification<'_>, batch: &mut Batch) {
        let value = Value {
            notification,
            connector: &self.connector,
        };
        self.topic
            .push(&Key(notification.id), &value, &mut Scratch::default(), batch);
    }
}

struct Key<'a>(&'a str);

impl Body for Key<'_> {
    fn put<F: Format>(&self, _: &mut Scratch, out: &mut Vec<u8>) -> Result<(), RowFault> {
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
    fn put<F: Format>(&self, _: &mut Scratch, out: &mut Vec<u8>) -> Result<(), RowFault> {
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
