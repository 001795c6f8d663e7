//! Durations with their unit, such as `250ms`, as the configuration has them everywhere.

use std::fmt;
use std::time::Duration;

use jiff::{SignedDuration, Span, SpanRelativeTo};
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serializer};

/// Duration that is written with its unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DurationText(pub Duration);

impl DurationText {
    /// Reads a number with a unit, such as `5ms`, `90s`, `1h 30m` or `7d`; a day has 24 hours. `None`: the text is not a duration.
    #[must_use]
    pub fn parse(text: &str) -> Option<Duration> {
        let span = text.parse::<Span>().ok()?;
        let duration = span.to_duration(SpanRelativeTo::days_are_24_hours()).ok()?;
        Duration::try_from(duration).ok()
    }
}

impl fmt::Display for DurationText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match SignedDuration::try_from(self.0) {
            Ok(duration) => write!(f, "{duration:#}"),
            Err(_) => write!(f, "{}s", self.0.as_secs()),
        }
    }
}

pub(super) fn serialize<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&DurationText(*duration))
}

pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(deserializer)?;
    DurationText::parse(&text).ok_or_else(|| {
        D::Error::custom(format_args!(
            "{text:?} is not a duration: expected a number with a unit, such as 250ms or 5s"
        ))
    })
}
