//! Outbox tables: tables whose rows are events.

use std::fmt;
use std::ops::Deref;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::poll::{OutboxPreset, OutboxSource, PollSettings};
use super::rewrite::Rewrite;
use super::route_error::RouteError;
use crate::pattern::TablePattern;

/// Sends each row of an outbox table as an event to the topic that the row names, as Debezium's `EventRouter` does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "OutboxText", into = "OutboxText")]
pub struct OutboxRule {
    text: OutboxText,
    topic: Rewrite,
}

/// The configured form of an [`OutboxRule`]. The defaults are Debezium's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table")]
pub struct OutboxText {
    /// The outbox tables.
    pub tables: TablePattern,
    /// Place from which the events are read.
    #[serde(default)]
    pub source: OutboxSource,
    /// Layout of the tables, by which the keys that the entry does not have were chosen.
    #[serde(default)]
    pub preset: Option<OutboxPreset>,
    /// Column with the id of the event, sent as the header `id` (`table.field.event.id`).
    #[serde(default = "id")]
    pub id: String,
    /// Column with the key of the record (`table.field.event.key`).
    #[serde(default = "key")]
    pub key: String,
    /// Column with the payload (`table.field.event.payload`).
    #[serde(default = "payload")]
    pub payload: String,
    /// Column with the timestamp of the record (`table.field.event.timestamp`); `None`: the time of processing.
    #[serde(default)]
    pub timestamp: Option<String>,
    /// Column with the version of the value's schema (`table.field.event.schema.version`).
    #[serde(default)]
    pub schema_version: Option<String>,
    /// Further columns, in headers, in the value, or as the partition (`table.fields.additional.placement`).
    #[serde(default)]
    pub additional: Vec<AdditionalField>,
    /// Handling of further columns that the table does not have (`table.fields.additional.error.on.missing`).
    #[serde(default)]
    pub missing_additional: MissingAdditional,
    /// Column by whose value the topic is chosen (`route.by.field`).
    #[serde(default = "route_by")]
    pub route_by: String,
    /// A regular expression for the whole value of `route_by` (`route.topic.regex`). A value that it does not match is the topic.
    #[serde(default = "route_pattern")]
    pub route_pattern: String,
    /// The topic, with `$1` or `${name}` for the groups of `route_pattern` (`route.topic.replacement`).
    #[serde(default = "route_topic")]
    pub route_topic: String,
    /// Number of topics that the rows of a table may name in one session.
    #[serde(default = "topics_max")]
    pub topics_max: u32,
    /// Whether an event with a null or blank payload is a tombstone (`route.tombstone.on.empty.payload`).
    #[serde(default)]
    pub tombstone_on_empty_payload: bool,
    /// Handling of updated rows (`table.op.invalid.behavior`).
    #[serde(default)]
    pub on_update: InvalidUpdate,
    /// How the tables are polled, if they are.
    #[serde(default)]
    pub poll: PollSettings,
}

fn id() -> String {
    "id".to_owned()
}

fn key() -> String {
    "aggregateid".to_owned()
}

fn payload() -> String {
    "payload".to_owned()
}

fn route_by() -> String {
    "aggregatetype".to_owned()
}

fn route_pattern() -> String {
    "(?<routedByValue>.*)".to_owned()
}

fn route_topic() -> String {
    "outbox.event.${routedByValue}".to_owned()
}

/// Kafka keeps files and memory for each partition of each topic.
const TOPICS_MAX: u32 = 10_000;

fn topics_max() -> u32 {
    TOPICS_MAX
}

/// Further column of an outbox table, written `column:placement` or `column:placement:name`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct AdditionalField {
    /// The column.
    pub column: String,
    /// Place of its value.
    pub placement: Placement,
    /// Name of the header or the field; `None`: the name of the column.
    pub alias: Option<String>,
}

impl AdditionalField {
    /// Name of the header or the field.
    #[must_use]
    pub fn name(&self) -> &str {
        self.alias.as_deref().unwrap_or(&self.column)
    }
}

/// Place of the value of a further column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Placement {
    /// A header of the record.
    Header,
    /// A field of the value, beside the payload.
    Envelope,
    /// The number of the partition.
    Partition,
}

const PLACEMENTS: [(&str, Placement); 3] = [
    ("header", Placement::Header),
    ("envelope", Placement::Envelope),
    ("partition", Placement::Partition),
];

/// Handling of further columns that the table does not have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MissingAdditional {
    /// No record can be made of the table's rows.
    #[default]
    Error,
    /// The column is left out.
    Ignore,
}

/// Handling of updated rows of an outbox table, whose events were sent when the rows were inserted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InvalidUpdate {
    /// The update makes no record; the first one of a table is logged as a warning.
    #[default]
    Warn,
    /// The update makes no record; the first one of a table is logged as an error.
    Error,
    /// No record can be made of the change.
    Fatal,
}

/// Text that is not an [`AdditionalField`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is not column:placement or column:placement:name, where placement is header, envelope or partition"
)]
pub struct AdditionalFieldError(String);

impl FromStr for AdditionalField {
    type Err = AdditionalFieldError;

    fn from_str(text: &str) -> Result<Self, AdditionalFieldError> {
        let wrong = || AdditionalFieldError(text.to_owned());
        let parts: Vec<&str> = text.split(':').map(str::trim).collect();
        let (column, placement, alias) = match parts.as_slice() {
            [column, placement] => (*column, *placement, None),
            [column, placement, alias] if !alias.is_empty() => {
                (*column, *placement, Some((*alias).to_owned()))
            }
            _ => return Err(wrong()),
        };
        let mut known = PLACEMENTS.iter();
        let (_, placement) = known
            .find(|(name, _)| name.eq_ignore_ascii_case(placement))
            .filter(|_| !column.is_empty())
            .ok_or_else(wrong)?;
        Ok(Self {
            column: column.to_owned(),
            placement: *placement,
            alias,
        })
    }
}

impl TryFrom<String> for AdditionalField {
    type Error = AdditionalFieldError;

    fn try_from(text: String) -> Result<Self, AdditionalFieldError> {
        text.parse()
    }
}

impl From<AdditionalField> for String {
    fn from(field: AdditionalField) -> Self {
        field.to_string()
    }
}

impl fmt::Display for AdditionalField {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let placement = PLACEMENTS.iter().find(|(_, known)| *known == self.placement);
        let placement = placement.map_or("", |(name, _)| *name);
        write!(f, "{}:{placement}", self.column)?;
        match &self.alias {
            Some(alias) => write!(f, ":{alias}"),
            None => Ok(()),
        }
    }
}

impl TryFrom<OutboxText> for OutboxRule {
    type Error = RouteError;

    fn try_from(text: OutboxText) -> Result<Self, RouteError> {
        Ok(Self {
            topic: Rewrite::new(&text.route_pattern, &text.route_topic)?,
            text,
        })
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
    /// Topic of an event whose column `route_by` has this value.
    pub(crate) fn topic_of(&self, value: &str) -> String {
        self.topic.apply(value).unwrap_or_else(|| value.to_owned())
    }

    /// The topic of every value that `route_pattern` matches; `None` if it depends on the value.
    #[must_use]
    pub fn constant_topic(&self) -> Option<String> {
        self.topic.constant()
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

    use super::{AdditionalField, OutboxRule};

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
    fn further_columns_are_written_as_they_were_read() {
        for text in ["type:header:eventType", "tenant:envelope", "part:partition"] {
            let field: AdditionalField = text.parse().unwrap();
            assert_eq!(field.to_string(), text);
        }
        let field: AdditionalField = " type : HEADER ".parse().unwrap();
        assert_eq!(
            (field.to_string().as_str(), field.name()),
            ("type:header", "type")
        );
        for text in ["type", "type:body", ":header", "a:header:b:c", "a:header:", ""] {
            assert!(text.parse::<AdditionalField>().is_err(), "{text:?}");
        }
    }
}
