//! Entry of an event store in the configuration.

use serde::{Deserialize, Serialize};

use super::preset::EventStorePreset;
use crate::config::outbox::TOPICS_MAX;
use crate::config::outbox_field::AdditionalField;
use crate::pattern::TablePattern;
use crate::upcast::{SchemaVersion, Upcaster};

/// The configured form of an [`EventStoreRule`](super::EventStoreRule). A column that is not named is the preset's.
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
    /// Member of the payload with the version of its schema; `None`: the version is in the column.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schema_version_member: Option<String>,
    /// Schema version of an event without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_schema_version: Option<SchemaVersion>,
    /// Where events of older schema versions are upcast.
    #[serde(default)]
    pub upcast: UpcastAt,
    /// Upcasters from one schema version to another.
    #[serde(default)]
    pub upcasters: Vec<Upcaster>,
    /// Number of streams of a table whose last versions are remembered.
    #[serde(default = "streams_remembered")]
    pub streams_remembered: u32,
}

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

/// Where events of older schema versions are upcast.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UpcastAt {
    /// Before they are sent: records have the current version.
    #[default]
    Edge,
    /// By their readers: records have the payload that is stored.
    Readers,
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
