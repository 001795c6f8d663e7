//! Event stores: tables whose rows are the events of streams, each with its version in its stream.

mod columns;
mod preset;

use std::ops::Deref;

use serde::{Deserialize, Serialize};

pub(crate) use self::columns::{Choice, StoreColumns};
pub use self::preset::EventStorePreset;
use super::outbox::{OutboxRule, OutboxText};
use super::outbox_field::{AdditionalField, Placement};
use super::route_error::RouteError;
use crate::pattern::TablePattern;

/// Sends each row that is inserted into an event store as a record with the stream as its key, and proves the order of each stream.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "EventStoreText", into = "EventStoreText")]
pub struct EventStoreRule {
    text: EventStoreText,
    tables: TablePattern,
    columns: StoreColumns,
    /// Rule with which the rows are written as records.
    records: OutboxRule,
}

/// The configured form of an [`EventStoreRule`]. A column that is not named is the preset's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table")]
pub struct EventStoreText {
    /// Library whose table it is.
    #[serde(default)]
    pub preset: EventStorePreset,
    /// The tables.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tables: Option<TablePattern>,
    /// Column with the stream, which is the key of the record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stream_id: Option<String>,
    /// Further columns that identify a stream, such as a tenant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<Vec<String>>,
    /// Column with the version of the event in its stream.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Version of the first event of a stream.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_version: Option<i64>,
    /// Column with the number by which rows that exist are read in order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sequence: Option<String>,
    /// Column with the type of the event.
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    pub event_type: Option<String>,
    /// Types whose events have versions that are not contiguous.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unversioned_types: Option<Vec<String>>,
    /// Column with the id of the event.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Column with the payload.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<String>,
    /// Column with the version of the payload's schema.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schema_version: Option<String>,
    /// Column with the time of the event.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created: Option<String>,
    /// Column with the category of the stream.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub category: Option<String>,
    /// Columns that are headers under their names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<Vec<String>>,
    /// Column that is true for events of an archived stream.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub archived: Option<String>,
    /// Columns that an update may change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mutable: Option<Vec<String>>,
    /// Further columns, in headers or in the value.
    #[serde(default)]
    pub additional: Vec<AdditionalField>,
    /// Column with the timestamp of the record; `None`: the time of processing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timestamp: Option<String>,
    /// What chooses the topic.
    #[serde(default)]
    pub topic_by: TopicBy,
    /// A regular expression for the whole type or category.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub route_pattern: Option<String>,
    /// The topic, with `$1` or `${name}` for the groups of `route_pattern`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub route_topic: Option<String>,
    /// Number of topics that the rows of a table may name in one session.
    #[serde(default = "topics_max")]
    pub topics_max: u32,
    /// Handling of a violation of a stream's order, or of the immutability of its events.
    #[serde(default)]
    pub on_violation: OnViolation,
    /// Number of streams of a table whose last versions are remembered.
    #[serde(default = "streams_remembered")]
    pub streams_remembered: u32,
}

/// Kafka keeps files and memory for each partition of each topic.
const TOPICS_MAX: u32 = 10_000;

fn topics_max() -> u32 {
    TOPICS_MAX
}

/// About 20 MB with stream ids of the length of a UUID.
const STREAMS_REMEMBERED: u32 = 100_000;

fn streams_remembered() -> u32 {
    STREAMS_REMEMBERED
}

/// What chooses the topic of an event.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TopicBy {
    /// The table: one topic for all events.
    #[default]
    Table,
    /// The category of the stream.
    Category,
    /// The type of the event.
    Type,
}

/// Handling of a violation of a stream's order, or of the immutability of its events.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnViolation {
    /// The violation is reported; the event is sent, and an update or a delete makes no record.
    #[default]
    Warn,
    /// The violation is reported, and its change is a dead letter.
    DeadLetter,
    /// The connector halts before the change.
    Halt,
}

/// Error in the entry of an event store.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum EventStoreError {
    /// The entry names no tables, and neither does its preset.
    #[error("tables is missing: the preset plain is of no library, so the entry has to name its tables")]
    Tables,
    /// Streams of the preset have no category.
    #[error(
        "topic_by is category, but the events of the preset have no category: name its column in category, or set route_pattern for \
         the stream id"
    )]
    Category,
    /// A column is the partition, by which the events of one stream could come into several partitions.
    #[error(
        "additional places {0} as the partition, but the order of a stream needs the partition that its key chooses"
    )]
    Partition(String),
    /// The topic cannot be computed.
    #[error(transparent)]
    Route(#[from] RouteError),
}

/// Matches any text.
const ANY: &str = "(?s).*";
/// The part of a stream id before its first hyphen, or all of it.
const PREFIX: &str = "(?s)(?<category>[^-]*)(-.*)?";

impl TryFrom<EventStoreText> for EventStoreRule {
    type Error = EventStoreError;

    fn try_from(text: EventStoreText) -> Result<Self, EventStoreError> {
        let tables = text.tables.clone().or_else(|| text.preset.tables());
        let tables = tables.ok_or(EventStoreError::Tables)?;
        let mut placed = text.additional.iter();
        if let Some(field) = placed.find(|field| field.placement == Placement::Partition) {
            return Err(EventStoreError::Partition(field.column.clone()));
        }
        let columns = StoreColumns::of(&text);
        let category = columns.category.as_ref().map(|choice| choice.name.as_str());
        let (route_by, pattern, topic) = match text.topic_by {
            TopicBy::Table => (columns.event_type.as_str(), ANY, ""),
            TopicBy::Type => (columns.event_type.as_str(), "(?s)(?<type>.*)", "events.${type}"),
            TopicBy::Category => match category {
                Some(column) => (column, "(?s)(?<category>.*)", "events.${category}"),
                None if text.preset.has_category_in_stream() || text.route_pattern.is_some() => {
                    (columns.stream_id.as_str(), PREFIX, "events.${category}")
                }
                None => return Err(EventStoreError::Category),
            },
        };
        let records = OutboxText {
            id: columns.id.clone(),
            key: columns.stream_id.clone(),
            payload: columns.data.clone(),
            timestamp: text.timestamp.clone(),
            route_by: route_by.to_owned(),
            route_pattern: text.route_pattern.clone().unwrap_or_else(|| pattern.to_owned()),
            route_topic: text.route_topic.clone().unwrap_or_else(|| topic.to_owned()),
            topics_max: text.topics_max,
            ..OutboxText::new(tables.clone())
        };
        Ok(Self {
            records: OutboxRule::routed(records)?,
            text,
            tables,
            columns,
        })
    }
}

impl From<EventStoreRule> for EventStoreText {
    fn from(rule: EventStoreRule) -> Self {
        rule.text
    }
}

impl Deref for EventStoreRule {
    type Target = EventStoreText;

    fn deref(&self) -> &EventStoreText {
        &self.text
    }
}

impl EventStoreRule {
    /// The tables.
    #[must_use]
    pub fn selected(&self) -> &TablePattern {
        &self.tables
    }

    /// Column by which the rows that exist are read in order; `None`: they cannot be read.
    #[must_use]
    pub fn sequence_column(&self) -> Option<&str> {
        self.columns.sequence.as_ref().map(|choice| choice.name.as_str())
    }

    /// Columns of the store.
    pub(crate) fn columns(&self) -> &StoreColumns {
        &self.columns
    }

    /// The topic of all events that the configuration names; `None` if it depends on the event, or is that of the table.
    #[must_use]
    pub fn constant_topic(&self) -> Option<String> {
        self.records.constant_topic().filter(|topic| !topic.is_empty())
    }

    /// Rule with which the rows of a table are written as records; `topic` is the table's own. `has`: whether the table has a column.
    pub(crate) fn records(&self, topic: &str, has: impl Fn(&str) -> bool) -> OutboxRule {
        let is_of_table = self.text.topic_by == TopicBy::Table && self.text.route_topic.is_none();
        let mut additional: Vec<AdditionalField> = self.columns.headers(has).collect();
        additional.extend(self.text.additional.iter().cloned());
        self.records.with(is_of_table.then_some(topic), additional)
    }
}

#[cfg(test)]
mod tests;
