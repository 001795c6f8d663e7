//! Upcasters, as the configuration declares them.

use std::fmt;

use serde::de::{self, Deserializer, Visitor};
use serde::{Deserialize, Serialize};

use super::comparison::differences;
use super::document::Object;
use super::step::Step;

/// Version of the schema of an event.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct SchemaVersion(pub(crate) String);

/// Upcaster of the events of one type from one schema version to another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table")]
pub struct Upcaster {
    /// Type of the events.
    #[serde(rename = "type")]
    pub event_type: String,
    /// Version that the steps change.
    pub from: SchemaVersion,
    /// Version that the steps make.
    pub to: SchemaVersion,
    /// The steps, in order.
    #[serde(default)]
    pub steps: Vec<Step>,
    /// Payloads with which the steps are tested.
    #[serde(default)]
    pub tests: Vec<UpcastTest>,
}

/// Payload before and after an upcast.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table")]
pub struct UpcastTest {
    /// Payload in the version `from`, in JSON.
    pub before: String,
    /// Payload in the version `to`, in JSON; `None`: the upcast has to fail.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
}

impl Upcaster {
    /// Applies the steps to a payload.
    pub(super) fn apply(&self, payload: &mut Object) -> Result<(), String> {
        let numbered = (1..).zip(&self.steps);
        for (number, step) in numbered {
            let applied = step.apply(payload);
            applied.map_err(|problem| format!("step {number}, {problem}"))?;
        }
        Ok(())
    }

    /// Differences between the payload that a test expects and the one that the steps make; empty if the test passes.
    #[must_use]
    pub fn test(&self, test: &UpcastTest) -> Vec<String> {
        let upcast = Object::parse(&test.before)
            .map_err(|problem| format!("before: {problem}"))
            .and_then(|mut payload| {
                self.apply(&mut payload)?;
                payload.to_json().map_err(|error| error.to_string())
            });
        match (&test.after, upcast) {
            (None, Ok(found)) => vec![format!("expected an error, found {found}")],
            (None, Err(_)) => Vec::new(),
            (Some(_), Err(problem)) => vec![problem],
            (Some(expected), Ok(found)) => differences(expected, &found),
        }
    }
}

impl fmt::Display for SchemaVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for SchemaVersion {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TextOrInteger)
    }
}

struct TextOrInteger;

impl Visitor<'_> for TextOrInteger {
    type Value = SchemaVersion;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a version, as a string or an integer")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<SchemaVersion, E> {
        Ok(SchemaVersion(text.to_owned()))
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<SchemaVersion, E> {
        Ok(SchemaVersion(number.to_string()))
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<SchemaVersion, E> {
        Ok(SchemaVersion(number.to_string()))
    }
}
