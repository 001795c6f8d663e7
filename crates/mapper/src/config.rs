//! Configuration of the mapper.

mod absence;
mod columns;
mod context;
mod destination;
mod duration_text;
mod event_store;
mod events;
mod form;
mod keys;
mod names;
mod outbox;
mod outbox_choices;
mod outbox_field;
mod outbox_source;
mod poll;
mod reserved_topic;
mod rewrite;
mod route;
mod route_error;
mod types;

use serde::{Deserialize, Serialize};

pub use crate::debezium_version::DebeziumVersion;
use crate::table_name::TableName;
pub use absence::{MissingNotNull, NullWithDefault};
pub use columns::{ColumnSettings, HashAlgorithm, HashRule, HashVersion, MaskRule, TruncateRule};
pub use context::ContextConfig;
pub use destination::DestinationRule;
pub use duration_text::DurationText;
pub(crate) use event_store::Choice;
pub use event_store::{
    EventStoreError, EventStorePreset, EventStoreRule, EventStoreText, OnViolation, TopicBy, UpcastAt,
};
pub use events::{EventsConfig, Operation};
pub(crate) use form::EnvelopePart;
pub use form::{Encoding, FlatDeletes, FlatForm, MetadataField, Shape};
pub use keys::{KeyRule, MissingKeyColumns};
pub use names::{FieldAdjustment, NameSettings, SchemaAdjustment};
pub(crate) use outbox::TYPE_PLACEHOLDER;
pub use outbox::{MESSAGES, OutboxError, OutboxRule, OutboxText};
pub use outbox_choices::{
    Cleanup, DefaultTimestamp, InvalidUpdate, JsonEmptyArray, JsonNull, MissingAdditional,
};
pub use outbox_field::{AdditionalField, AdditionalFieldError, Placement};
pub use outbox_source::{OutboxSource, OutboxSourceError};
pub use poll::{OutboxPreset, PollSettings, PublishedMark, PublishedMarkError};
pub use reserved_topic::{ReservedTopic, TopicPurpose};
pub use route::{Route, RouteText};
pub(crate) use route::{Routed, TopicKeyField};
pub use route_error::RouteError;
pub use types::{
    ArrayMode, BinaryMode, DecimalMode, HstoreMode, IntervalMode, TimeMode, TypeModes, UnknownMode,
    UnwritableMode, is_type_name,
};

/// Handling of unchanged TOAST values of updated rows, which the WAL does not contain.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UnavailableValues {
    /// The placeholder is sent in place of the value.
    #[default]
    Placeholder,
    /// The current value is read from the table by the row's key. It may be newer than the change; the placeholder is
    /// sent if the row no longer exists.
    Reselect,
}

/// Names, encodings and shapes of records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MapperConfig {
    /// Prefix of topic names, and `source.name`.
    pub topic_prefix: String,
    /// `source.db`.
    pub database: String,
    /// Whether a delete is followed by a tombstone, so that compacted topics remove the row.
    pub tombstones_on_delete: bool,
    /// Whether records have Debezium's context headers (`extended.headers.enabled`).
    pub context_headers: bool,
    /// Placeholder of unchanged TOAST values (Debezium's `unavailable.value.placeholder`).
    pub unavailable_value_placeholder: String,
    /// Handling of unchanged TOAST values.
    pub unavailable_values: UnavailableValues,
    /// Encoding of keys.
    pub key: Encoding,
    /// Encoding of values.
    pub value: Encoding,
    /// Release of Debezium whose fields the records have.
    pub debezium_version: DebeziumVersion,
    /// Shape of values.
    pub shape: Shape,
    /// Settings of the flat shape.
    pub flat: FlatForm,
    /// Representation of data types.
    pub types: TypeModes,
    /// Names of topics, schemas and fields.
    pub names: NameSettings,
    /// Selection of columns, and transforms of their values.
    pub columns: ColumnSettings,
    /// Keys that replace the primary key.
    pub keys: Vec<KeyRule>,
    /// Destinations that depend on the row; the first rule that matches a table is used.
    pub destinations: Vec<DestinationRule>,
    /// Outbox tables; the first rule that matches a table is used.
    pub outboxes: Vec<OutboxRule>,
    /// Event stores; the first rule that matches a table is used.
    pub event_stores: Vec<EventStoreRule>,
    /// Value in `before` of a NOT NULL column that the WAL does not contain.
    pub missing_not_null: MissingNotNull,
    /// Representation of null in a column with a default.
    pub null_with_default: NullWithDefault,
    /// Selection of events.
    pub events: EventsConfig,
    /// Messages that give transactions a context.
    pub context: ContextConfig,
    /// Topics that records of tables must not reach.
    pub reserved_topics: Vec<ReservedTopic>,
}

/// Debezium's placeholder, which consumers compare with.
const UNAVAILABLE_VALUE_PLACEHOLDER: &str = "__debezium_unavailable_value";

impl MapperConfig {
    /// Adjustment of column names to field names, which is the same in keys and in values: as in Debezium, one of them in Avro
    /// determines the names in both.
    pub(crate) fn field_adjustment(&self) -> FieldAdjustment {
        match self.names.adjust_fields {
            FieldAdjustment::Valid if self.key == Encoding::Avro || self.value == Encoding::Avro => {
                FieldAdjustment::Avro
            }
            FieldAdjustment::Valid => FieldAdjustment::None,
            configured => configured,
        }
    }

    /// Rule of an outbox table; `None` for a table whose rows are not events.
    #[must_use]
    pub fn outbox_of(&self, table: &TableName) -> Option<&OutboxRule> {
        if self.event_store_of(table).is_some() {
            return None;
        }
        self.outboxes.iter().find(|rule| rule.matches(table))
    }

    /// Rule of an event store; `None` for a table whose rows are not events of streams.
    #[must_use]
    pub fn event_store_of(&self, table: &TableName) -> Option<&EventStoreRule> {
        let mut rules = self.event_stores.iter();
        rules.find(|rule| rule.matches(table))
    }

    /// Whether the rows of a table are events, in topics that do not hold rows of tables.
    #[must_use]
    pub fn sends_events(&self, table: &TableName) -> bool {
        self.outbox_of(table).is_some() || self.event_store_of(table).is_some()
    }

    /// Creates a configuration with Debezium's defaults.
    #[must_use]
    pub fn new(topic_prefix: impl Into<String>, database: impl Into<String>) -> Self {
        Self {
            topic_prefix: topic_prefix.into(),
            database: database.into(),
            tombstones_on_delete: true,
            context_headers: true,
            unavailable_value_placeholder: UNAVAILABLE_VALUE_PLACEHOLDER.to_owned(),
            unavailable_values: UnavailableValues::default(),
            key: Encoding::Avro,
            value: Encoding::Avro,
            debezium_version: DebeziumVersion::default(),
            shape: Shape::Debezium,
            flat: FlatForm::default(),
            types: TypeModes::default(),
            names: NameSettings::default(),
            columns: ColumnSettings::default(),
            keys: Vec::new(),
            destinations: Vec::new(),
            outboxes: Vec::new(),
            event_stores: Vec::new(),
            missing_not_null: MissingNotNull::default(),
            null_with_default: NullWithDefault::default(),
            events: EventsConfig::default(),
            context: ContextConfig::default(),
            reserved_topics: Vec::new(),
        }
    }
}
