//! Outboxes: tables whose rows are events, and messages that are.

use std::ops::Deref;

use serde::{Deserialize, Serialize};

use super::outbox_choices::{
    Cleanup, DefaultTimestamp, InvalidUpdate, JsonEmptyArray, JsonNull, MissingAdditional,
};
use super::outbox_field::{AdditionalField, Placement};
use super::outbox_source::OutboxSource;
use super::poll::{OutboxPreset, PollSettings};
use super::rewrite::Rewrite;
use super::route_error::RouteError;
use crate::pattern::TablePattern;
use crate::table_name::TableName;

/// Sends each row of an outbox table, or each message with a prefix, as an event to the topic that it names, as Debezium's
/// `EventRouter` does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "OutboxText", into = "OutboxText")]
pub struct OutboxRule {
    text: OutboxText,
    topic: Rewrite,
}

/// The configured form of an [`OutboxRule`]. The defaults are Debezium's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a table")]
pub struct OutboxText {
    /// Where the events come from.
    pub source: OutboxSource,
    /// The outbox tables; `None` for an outbox of messages.
    pub tables: Option<TablePattern>,
    /// Layout of the tables, by which the keys that the entry does not have were chosen.
    pub preset: Option<OutboxPreset>,
    /// Column with the id of the event, sent as the header `id` (`table.field.event.id`).
    pub id: String,
    /// Column with the key of the record (`table.field.event.key`).
    pub key: String,
    /// Column with the payload (`table.field.event.payload`).
    pub payload: String,
    /// Column with the timestamp of the record (`table.field.event.timestamp`); `None`: [`OutboxText::default_timestamp`].
    pub timestamp: Option<String>,
    /// Timestamp of a record without a value in that column.
    pub default_timestamp: DefaultTimestamp,
    /// Column with the version of the value's schema (`table.field.event.schema.version`).
    pub schema_version: Option<String>,
    /// Further columns, in headers, in the value, or as the partition (`table.fields.additional.placement`).
    pub additional: Vec<AdditionalField>,
    /// Handling of further columns that the table does not have (`table.fields.additional.error.on.missing`).
    pub missing_additional: MissingAdditional,
    /// Column with an object in JSON whose members are headers.
    pub headers: Option<String>,
    /// Column with a trace context (`tracing.span.context.field`), which is sent in the headers `traceparent` and `tracestate`.
    pub trace_context: Option<String>,
    /// Whether a payload that is an object in JSON is sent as a struct (`table.expand.json.payload`).
    pub expand_json: bool,
    /// Field of a struct whose value in JSON is null (`table.json.payload.null.behavior`).
    pub json_null: JsonNull,
    /// Field of a struct whose value in JSON is an empty array (`table.json.payload.empty.array.behavior`).
    pub json_empty_array: JsonEmptyArray,
    /// Column with the type of the event, by which the schema of the payload is chosen; `None`: the payload is sent as it is.
    pub schema_by: Option<String>,
    /// Subject of that schema, in which `{type}` stands for the value of the column.
    pub schema_subject: String,
    /// Column by whose value the topic is chosen (`route.by.field`).
    pub route_by: String,
    /// A regular expression for the whole value of `route_by` (`route.topic.regex`). A value that it does not match is the topic.
    pub route_pattern: String,
    /// The topic, with `$1` or `${name}` for the groups of `route_pattern` (`route.topic.replacement`).
    pub route_topic: String,
    /// Number of topics that the rows of a table may name in one session.
    pub topics_max: u32,
    /// Number of schemas that the values of a table may have in one session, beside one for each topic.
    pub schemas_max: u32,
    /// Whether an event with a null or blank payload is a tombstone (`route.tombstone.on.empty.payload`).
    pub tombstone_on_empty_payload: bool,
    /// Handling of updated rows (`table.op.invalid.behavior`).
    pub on_update: InvalidUpdate,
    /// Handling of rows whose events are in Kafka; `None`: they stay as they are.
    pub cleanup: Option<Cleanup>,
    /// Age from which clean-up handles rows, with its unit.
    pub cleanup_after: String,
    /// Column with the time of the row, for its age; `None`: the time since which the connector knows that the row is delivered.
    pub age_column: Option<String>,
    /// Column that [`Cleanup::Mark`] sets.
    pub mark_column: String,
    /// Table to which [`Cleanup::Archive`] moves rows, as `schema.table`.
    pub archive_table: Option<String>,
    /// Interval of clean-up, with its unit.
    pub cleanup_interval: String,
    /// Number of rows that one statement of clean-up handles at most.
    pub cleanup_batch_rows: u32,
    /// Number of rows that clean-up handles per second at most.
    pub cleanup_rows_per_second: u32,
    /// Whether clean-up also handles rows of which the connector does not know whether their events were ever sent.
    pub cleanup_existing: bool,
    /// How the tables are polled, if they are.
    pub poll: PollSettings,
}

impl OutboxText {
    /// The defaults, for some tables.
    pub(super) fn new(tables: TablePattern) -> Self {
        Self {
            tables: Some(tables),
            ..Self::default()
        }
    }
}

/// Placeholder of the type of an event in [`OutboxText::schema_subject`].
pub(crate) const TYPE_PLACEHOLDER: &str = "{type}";

/// Default number of topics of a table. Kafka keeps files and memory for each partition of each topic.
pub(super) const TOPICS_MAX: u32 = 10_000;

/// A registry compares each version of a subject with those before it, and often limits their number.
const SCHEMAS_MAX: u32 = 1000;

impl Default for OutboxText {
    fn default() -> Self {
        Self {
            source: OutboxSource::Wal,
            tables: None,
            preset: None,
            id: "id".to_owned(),
            key: "aggregateid".to_owned(),
            payload: "payload".to_owned(),
            timestamp: None,
            default_timestamp: DefaultTimestamp::default(),
            schema_version: None,
            additional: Vec::new(),
            missing_additional: MissingAdditional::default(),
            headers: None,
            trace_context: None,
            expand_json: false,
            json_null: JsonNull::default(),
            json_empty_array: JsonEmptyArray::default(),
            schema_by: None,
            schema_subject: TYPE_PLACEHOLDER.to_owned(),
            route_by: "aggregatetype".to_owned(),
            route_pattern: "(?<routedByValue>.*)".to_owned(),
            route_topic: "outbox.event.${routedByValue}".to_owned(),
            topics_max: TOPICS_MAX,
            schemas_max: SCHEMAS_MAX,
            tombstone_on_empty_payload: false,
            on_update: InvalidUpdate::default(),
            cleanup: None,
            cleanup_after: "7d".to_owned(),
            age_column: None,
            mark_column: "published_at".to_owned(),
            archive_table: None,
            cleanup_interval: "1m".to_owned(),
            cleanup_batch_rows: 1000,
            cleanup_rows_per_second: 5000,
            cleanup_existing: false,
            poll: PollSettings::default(),
        }
    }
}

/// Schema of the tables for which outboxes of messages stand, which no client can create: names with this beginning are reserved.
pub const MESSAGES: &str = "pg_logical_emit_message";
/// Member of a message with further headers.
const HEADERS: &str = "headers";
/// Member of a message with its timestamp.
const TIMESTAMP: &str = "timestamp";

/// Error in an entry of `[[outbox]]`.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum OutboxError {
    /// The route is wrong.
    #[error(transparent)]
    Route(#[from] RouteError),
    /// The source is tables, and none is named.
    #[error("tables is missing: an outbox has tables, or the source \"message:<prefix>\"")]
    TablesMissing,
    /// The source is messages, and a table is named.
    #[error("tables and a source of messages exclude each other: write an entry for each")]
    TablesOfMessages,
}

impl TryFrom<OutboxText> for OutboxRule {
    type Error = OutboxError;

    fn try_from(text: OutboxText) -> Result<Self, OutboxError> {
        match (&text.source, &text.tables) {
            (OutboxSource::Wal | OutboxSource::Poll, None) => return Err(OutboxError::TablesMissing),
            (OutboxSource::Message { .. }, Some(_)) => return Err(OutboxError::TablesOfMessages),
            _ => {}
        }
        Ok(Self::routed(text)?)
    }
}

impl From<OutboxRule> for OutboxText {
    fn from(rule: OutboxRule) -> Self {
        rule.text
    }
}

impl Deref for OutboxRule {
    type Target = OutboxText;

    fn deref(&self) -> &OutboxText {
        &self.text
    }
}

impl OutboxRule {
    /// The rule of an entry whose source and tables fit.
    pub(super) fn routed(text: OutboxText) -> Result<Self, RouteError> {
        Ok(Self {
            topic: Rewrite::new(&text.route_pattern, &text.route_topic)?,
            text,
        })
    }

    /// Topic of an event whose column `route_by` has this value.
    pub(crate) fn topic_of(&self, value: &str) -> String {
        self.topic.apply(value).unwrap_or_else(|| value.to_owned())
    }

    /// The topic of every value that `route_pattern` matches; `None` if it depends on the value.
    #[must_use]
    pub fn constant_topic(&self) -> Option<String> {
        self.topic.constant()
    }

    /// The rule with other further columns, and with one topic for every event if `topic` is given.
    pub(super) fn with(&self, topic: Option<&str>, additional: Vec<AdditionalField>) -> Self {
        let mut rule = self.clone();
        rule.text.additional = additional;
        if let Some(topic) = topic {
            topic.clone_into(&mut rule.text.route_topic);
            rule.topic = rule.topic.replaced_by(topic);
        }
        rule
    }

    /// Whether the rule applies to a table. An outbox of messages is a table of [`MESSAGES`] with the prefix as its name.
    #[must_use]
    pub fn matches(&self, table: &TableName) -> bool {
        match &self.text.source {
            OutboxSource::Wal | OutboxSource::Poll => {
                let tables = self.text.tables.as_ref();
                table.namespace != MESSAGES && tables.is_some_and(|tables| tables.matches(table))
            }
            OutboxSource::Message { prefix } => table.namespace == MESSAGES && table.name == *prefix,
        }
    }

    /// Prefix of the messages that are events; `None` for outbox tables.
    #[must_use]
    pub fn message_prefix(&self) -> Option<&str> {
        match &self.text.source {
            OutboxSource::Wal | OutboxSource::Poll => None,
            OutboxSource::Message { prefix } => Some(prefix),
        }
    }

    /// Column with an object whose members are headers.
    pub(crate) fn headers_column(&self) -> Option<&str> {
        self.or_member(self.text.headers.as_deref(), HEADERS)
    }

    /// Column with the timestamp of the record.
    pub(crate) fn timestamp_column(&self) -> Option<&str> {
        self.or_member(self.text.timestamp.as_deref(), TIMESTAMP)
    }

    /// A configured column, or the member of that name where events are messages, which may have it or not.
    fn or_member<'r>(&'r self, configured: Option<&'r str>, member: &'static str) -> Option<&'r str> {
        configured.or_else(|| self.message_prefix().map(|_| member))
    }

    /// Further columns with one placement.
    pub fn additional(&self, placement: Placement) -> impl Iterator<Item = &AdditionalField> {
        let all = self.text.additional.iter();
        all.filter(move |field| field.placement == placement)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::OutboxRule;
    use crate::table_name::TableName;

    fn rule(route_pattern: &str, route_topic: &str) -> OutboxRule {
        let rule =
            json!({"tables": "public.outbox", "route_pattern": route_pattern, "route_topic": route_topic});
        serde_json::from_value(rule).unwrap()
    }

    /// Kafka's `RegexRouter` replaces the first match if the expression matches the whole text, and leaves other texts as they are.
    #[test]
    fn topics_are_those_of_kafkas_router() {
        let by_default: OutboxRule = serde_json::from_value(json!({"tables": "public.outbox"})).unwrap();
        for (value, topic) in [
            ("order", "outbox.event.order"),
            ("", "outbox.event."),
            ("a\nb", "a\nb"),
        ] {
            assert_eq!(by_default.topic_of(value), topic, "{value:?}");
        }
        let named = rule("(?<kind>[a-z]+)_v(\\d+)", "events.${kind}.$2");
        assert_eq!(named.topic_of("order_v12"), "events.order.12");
        assert_eq!(named.topic_of("Order"), "Order");
        assert_eq!(named.constant_topic(), None);
        assert_eq!(rule(".*", "events").constant_topic(), Some("events".to_owned()));
    }

    #[test]
    fn an_outbox_has_tables_or_messages() {
        let rule = |rule: serde_json::Value| serde_json::from_value::<OutboxRule>(rule);
        let name = |namespace: &str, name: &str| TableName {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
        };
        let tables = rule(json!({"tables": "*.*"})).unwrap();
        let messages = rule(json!({"source": "message:app.events"})).unwrap();
        let table = name("public", "app.events");
        let message = name("pg_logical_emit_message", "app.events");
        assert!(tables.matches(&table) && !tables.matches(&message));
        assert!(!messages.matches(&table) && messages.matches(&message));
        assert_eq!(
            (tables.message_prefix(), messages.message_prefix()),
            (None, Some("app.events"))
        );
        assert_eq!(
            (tables.headers_column(), messages.headers_column()),
            (None, Some("headers"))
        );
        for (wrong, expected) in [
            (json!({}), "tables is missing"),
            (json!({"source": "wal"}), "tables is missing"),
            (
                json!({"tables": "a.b", "source": "message:a"}),
                "exclude each other",
            ),
            (
                json!({"source": "message:"}),
                "\"message:\" is not wal, poll or message:<prefix>",
            ),
            (json!({"source": "poll"}), "tables is missing"),
        ] {
            let error = rule(wrong).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }
}
