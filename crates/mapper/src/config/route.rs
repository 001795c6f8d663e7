//! Routes of topics.

use serde::{Deserialize, Serialize};

use super::rewrite::Rewrite;
use super::route_error::RouteError;

/// Sends the records of some topics to another one, as Debezium's `ByLogicalTableRouter` does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "RouteText", into = "RouteText")]
pub struct Route {
    topic: Rewrite,
    key: Option<KeyFieldRule>,
    text: RouteText,
}

/// The key field that distinguishes tables which share a topic.
#[derive(Clone, Debug, PartialEq, Eq)]
struct KeyFieldRule {
    field: String,
    /// Rewrite of the original topic to the field's value; `None`: the original topic itself.
    identifier: Option<Rewrite>,
}

/// Destination of the records of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Routed {
    pub(crate) topic: String,
    /// Key field that distinguishes the tables of the topic.
    pub(crate) key_field: Option<TopicKeyField>,
}

/// The last field of the keys of one table, and its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TopicKeyField {
    pub(crate) field: String,
    pub(crate) identifier: String,
}

/// The configured form of a route.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table")]
pub struct RouteText {
    /// A regular expression for the whole topic.
    pub pattern: String,
    /// The new topic, with `$1` or `${name}` for the groups of the pattern.
    pub topic: String,
    /// Whether keys have a field that identifies the table.
    #[serde(default = "unique_keys")]
    pub unique_keys: bool,
    /// Name of that field.
    #[serde(default = "key_field")]
    pub key_field: String,
    /// A regular expression for the whole original topic, from which the field's value is made.
    #[serde(default)]
    pub key_pattern: Option<String>,
    /// The field's value, with `$1` or `${name}` for the groups of `key_pattern`; `None`: the original topic.
    #[serde(default)]
    pub key_value: Option<String>,
}

/// Rows of different tables may have equal keys.
fn unique_keys() -> bool {
    true
}

/// Debezium's default.
fn key_field() -> String {
    "__dbz__physicalTableIdentifier".to_owned()
}

impl TryFrom<RouteText> for Route {
    type Error = RouteError;

    fn try_from(text: RouteText) -> Result<Self, RouteError> {
        let identifier = match (&text.key_pattern, &text.key_value) {
            (Some(pattern), Some(value)) => Some(Rewrite::new(pattern, value)?),
            (None, None) => None,
            _ => return Err(RouteError::Pair),
        };
        if text.unique_keys && text.key_field.is_empty() {
            return Err(RouteError::KeyField);
        }
        let field = text.key_field.clone();
        Ok(Self {
            topic: Rewrite::new(&text.pattern, &text.topic)?,
            key: text.unique_keys.then_some(KeyFieldRule { field, identifier }),
            text,
        })
    }
}

impl From<Route> for RouteText {
    fn from(route: Route) -> Self {
        route.text
    }
}

impl Route {
    /// The route, as written.
    #[must_use]
    pub fn text(&self) -> &RouteText {
        &self.text
    }

    /// The target topic of every topic that the route matches as a whole; `None` if the target depends on groups of the
    /// pattern.
    #[must_use]
    pub fn constant_topic(&self) -> Option<String> {
        self.topic.constant()
    }

    /// Whether the route matches `topic`.
    #[must_use]
    pub fn matches(&self, topic: &str) -> bool {
        self.topic.matches(topic)
    }

    /// Destination of the records of `topic`; `None` when the route does not match it, or would make an empty name.
    pub(crate) fn of(&self, topic: &str) -> Option<Routed> {
        let routed = self.topic.apply(topic).filter(|routed| !routed.is_empty())?;
        let key_field = self.key.as_ref().map(|KeyFieldRule { field, identifier }| {
            let identifier = identifier.as_ref().and_then(|rewrite| rewrite.apply(topic));
            TopicKeyField {
                field: field.clone(),
                identifier: identifier.unwrap_or_else(|| topic.to_owned()),
            }
        });
        Some(Routed {
            topic: routed,
            key_field,
        })
    }
}
