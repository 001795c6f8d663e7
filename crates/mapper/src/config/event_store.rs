//! Event stores: tables whose rows are the events of streams, each with its version in its stream.

mod columns;
mod preset;
mod text;

use std::collections::BTreeMap;
use std::ops::Deref;

use serde::{Deserialize, Serialize};

pub(crate) use self::columns::{Choice, StoreColumns};
pub use self::preset::EventStorePreset;
pub use self::text::{EventStoreText, OnViolation, TopicBy, UpcastAt};
use super::outbox::{MESSAGES, OutboxRule, OutboxText};
use super::outbox_field::{AdditionalField, Placement};
use super::route_error::RouteError;
use crate::pattern::TablePattern;
use crate::table_name::TableName;
use crate::upcast::{Chain, ChainError, Path, SchemaVersion, StepError, chains};

/// Sends each row that is inserted into an event store as a record with the stream as its key, and proves the order of each stream.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "EventStoreText", into = "EventStoreText")]
pub struct EventStoreRule {
    text: EventStoreText,
    tables: TablePattern,
    columns: StoreColumns,
    /// Upcasters by type.
    chains: BTreeMap<String, Chain>,
    version_member: Option<Path>,
    /// Rule with which the rows are written as records.
    records: OutboxRule,
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
    /// Two upcasters of a type change the same version.
    #[error("two upcasters of type {event_type:?} have from = \"{from}\"")]
    UpcasterTwice {
        /// Type of the events.
        event_type: String,
        /// The version.
        from: SchemaVersion,
    },
    /// The upcasters of a type lead to several versions, or in a circle.
    #[error(
        "the upcasters of type {0:?} do not lead to one version: each chain has to end in the same one, and none in a circle"
    )]
    UpcasterEnd(String),
    /// The member with the schema version is no path of one member.
    #[error("schema_version_member: {0}")]
    VersionMember(StepError),
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
        let chains = chains(&text.upcasters).map_err(|error| match error {
            ChainError::Twice(upcaster) => EventStoreError::UpcasterTwice {
                event_type: upcaster.event_type,
                from: upcaster.from,
            },
            ChainError::End(event_type) => EventStoreError::UpcasterEnd(event_type),
        })?;
        let version_member = text
            .schema_version_member
            .as_deref()
            .map(Path::single)
            .transpose();
        let version_member = version_member.map_err(EventStoreError::VersionMember)?;
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
            schemas_max: u32::MAX,
            ..OutboxText::new(tables.clone())
        };
        Ok(Self {
            records: OutboxRule::routed(records)?,
            text,
            tables,
            columns,
            chains,
            version_member,
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

    /// Whether the rule applies to a table. An outbox of messages is none, whatever the name of its prefix is.
    #[must_use]
    pub fn matches(&self, table: &TableName) -> bool {
        table.namespace != MESSAGES && self.tables.matches(table)
    }

    /// Column by which the rows that exist are read in order; `None`: they cannot be read.
    #[must_use]
    pub fn sequence_column(&self) -> Option<&str> {
        self.columns.sequence.as_ref().map(|choice| choice.name.as_str())
    }

    /// Upcasters by type.
    pub(crate) fn chains(&self) -> &BTreeMap<String, Chain> {
        &self.chains
    }

    /// Member of the payload with the version of its schema.
    pub(crate) fn version_member(&self) -> Option<&Path> {
        self.version_member.as_ref()
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
