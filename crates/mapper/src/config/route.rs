//! Topics that go elsewhere.

use regex::{Captures, Regex};
use serde::{Deserialize, Serialize};

use crate::pattern::{anchored, reason};

/// Sends the records of some topics to another one, as Debezium's `ByLogicalTableRouter` does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "RouteText", into = "RouteText")]
pub struct Route {
    topic: Rewrite,
    key: Option<KeyMark>,
    text: RouteText,
}

/// What tells tables that share a topic apart: a field at the end of their keys.
#[derive(Clone, Debug, PartialEq, Eq)]
struct KeyMark {
    field: String,
    /// What becomes of the former topic; `None`: it is the mark.
    identifier: Option<Rewrite>,
}

/// Where the records of a topic go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Routed {
    pub(crate) topic: String,
    /// What tells its tables apart.
    pub(crate) mark: Option<Mark>,
}

/// A field at the end of keys, with the value that it has in those of one table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mark {
    pub(crate) field: String,
    pub(crate) identifier: String,
}

/// A route as it is written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table")]
pub struct RouteText {
    /// A regular expression for the whole topic.
    pub pattern: String,
    /// The topic instead, with `$1` or `${name}` for the groups of the pattern.
    pub topic: String,
    /// Whether keys get a field that tells which table they are of.
    #[serde(default = "unique_keys")]
    pub unique_keys: bool,
    /// That field.
    #[serde(default = "key_field")]
    pub key_field: String,
    /// A regular expression for the whole of the former topic, from which that field's value is made.
    #[serde(default)]
    pub key_pattern: Option<String>,
    /// The field's value, with `$1` or `${name}` for the groups of `key_pattern`; without it, the former topic.
    #[serde(default)]
    pub key_value: Option<String>,
}

/// Tables may use the same keys.
fn unique_keys() -> bool {
    true
}

/// Debezium's.
fn key_field() -> String {
    "__dbz__physicalTableIdentifier".to_owned()
}

/// A route cannot be used.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum RouteError {
    /// A regular expression that is none.
    #[error("{text:?} is not a regular expression: {}", reason(cause))]
    Regex {
        /// The text.
        text: String,
        /// What is wrong with it.
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
    /// One of a pair.
    #[error("key_pattern and key_value belong together; set both or neither")]
    Pair,
    /// A field without a name.
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
            key: text.unique_keys.then_some(KeyMark { field, identifier }),
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
    /// Where the records of `topic` go; `None` when the route is not for it, or would leave it without a name.
    pub(crate) fn of(&self, topic: &str) -> Option<Routed> {
        let routed = self.topic.apply(topic).filter(|routed| !routed.is_empty())?;
        let mark = self.key.as_ref().map(|KeyMark { field, identifier }| {
            let identifier = identifier.as_ref().and_then(|rewrite| rewrite.apply(topic));
            Mark {
                field: field.clone(),
                identifier: identifier.unwrap_or_else(|| topic.to_owned()),
            }
        });
        Some(Routed { topic: routed, mark })
    }
}

/// A regular expression and what is put in the place of what it finds, as Java understands them.
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

    /// The text with its first match replaced; `None` when the pattern is not for the whole of it.
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

/// A replacement in Java's form; `None` when it names no group of the pattern.
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
                        // As many digits as make a group that exists.
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
