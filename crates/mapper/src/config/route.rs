//! Routes of topics.

use regex::{Captures, Regex};
use serde::{Deserialize, Serialize};

use crate::pattern::{anchored, reason};

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

/// Error in a route.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum RouteError {
    /// The text is not a regular expression.
    #[error("{text:?} is not a regular expression: {}", reason(cause))]
    Regex {
        /// The text.
        text: String,
        /// The error of the regular expression.
        cause: regex::Error,
    },
    /// A replacement names a group that the pattern does not have.
    #[error(
        "{text:?} refers to a group that {pattern:?} does not have; groups are $1 or ${{name}}, \\$ is a dollar"
    )]
    Group {
        /// The replacement.
        text: String,
        /// The pattern.
        pattern: String,
    },
    /// Only one of `key_pattern` and `key_value` is set.
    #[error("key_pattern and key_value belong together; set both or neither")]
    Pair,
    /// The name of the key field is empty.
    #[error("key_field is empty; set unique_keys = false if keys are to stay as they are")]
    KeyField,
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
        let pieces = self.topic.replacement.iter();
        let texts = pieces.map(|piece| match piece {
            Piece::Text(text) => Some(text.as_str()),
            Piece::Group(_) => None,
        });
        texts.collect()
    }

    /// Whether the route matches `topic`.
    #[must_use]
    pub fn matches(&self, topic: &str) -> bool {
        self.topic.whole.is_match(topic)
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

/// A regular expression and its replacement, in Java's syntax.
#[derive(Clone, Debug)]
struct Rewrite {
    whole: Regex,
    anywhere: Regex,
    replacement: Vec<Piece>,
}

impl PartialEq for Rewrite {
    fn eq(&self, other: &Self) -> bool {
        self.whole.as_str() == other.whole.as_str() && self.replacement == other.replacement
    }
}

impl Eq for Rewrite {}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Text(String),
    Group(usize),
}

impl Rewrite {
    fn new(pattern: &str, replacement: &str) -> Result<Self, RouteError> {
        let failed = |cause| RouteError::Regex {
            text: pattern.to_owned(),
            cause,
        };
        let anywhere = Regex::new(pattern).map_err(failed)?;
        let replacement = pieces(replacement, &anywhere).ok_or_else(|| RouteError::Group {
            text: replacement.to_owned(),
            pattern: pattern.to_owned(),
        })?;
        Ok(Self {
            whole: anchored(pattern, false).map_err(failed)?,
            anywhere,
            replacement,
        })
    }

    /// The text with its first match replaced; `None` when the pattern does not match the whole text.
    fn apply(&self, text: &str) -> Option<String> {
        if !self.whole.is_match(text) {
            return None;
        }
        let found: Captures<'_> = self.anywhere.captures(text)?;
        let place = found.get(0)?;
        let mut replaced = text.get(..place.start())?.to_owned();
        for piece in &self.replacement {
            match piece {
                Piece::Text(text) => replaced.push_str(text),
                Piece::Group(number) => {
                    replaced.push_str(found.get(*number).map_or("", |group| group.as_str()))
                }
            }
        }
        replaced.push_str(text.get(place.end()..)?);
        Some(replaced)
    }
}

/// Parses a replacement in Java's syntax; `None` when it refers to a group that the pattern does not have.
fn pieces(text: &str, regex: &Regex) -> Option<Vec<Piece>> {
    let mut pieces = Vec::new();
    let mut plain = String::new();
    let mut rest = text.chars().peekable();
    while let Some(character) = rest.next() {
        match character {
            '\\' => plain.push(rest.next()?),
            '$' => {
                pieces.push(Piece::Text(std::mem::take(&mut plain)));
                let group = match rest.next()? {
                    '{' => {
                        let name: String = rest.by_ref().take_while(|next| *next != '}').collect();
                        regex.capture_names().position(|known| known == Some(&name))?
                    }
                    first => {
                        let mut number = usize::try_from(first.to_digit(10)?).ok()?;
                        // Takes as many digits as form the number of an existing group.
                        while let Some(digit) = rest.peek().and_then(|next| next.to_digit(10)) {
                            let longer = number * 10 + usize::try_from(digit).ok()?;
                            if longer >= regex.captures_len() {
                                break;
                            }
                            number = longer;
                            rest.next();
                        }
                        number
                    }
                };
                if group >= regex.captures_len() {
                    return None;
                }
                pieces.push(Piece::Group(group));
            }
            other => plain.push(other),
        }
    }
    pieces.push(Piece::Text(plain));
    Some(pieces)
}
