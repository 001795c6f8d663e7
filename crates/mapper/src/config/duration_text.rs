//! Durations with their unit, such as `250ms`, as the configuration has them everywhere.

use std::time::Duration;

use jiff::{SignedDuration, Span, SpanRelativeTo};
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serializer};

pub(super) fn serialize<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    match SignedDuration::try_from(*duration) {
        Ok(duration) => serializer.collect_str(&format_args!("{duration:#}")),
        Err(_) => serializer.collect_str(&format_args!("{}s", duration.as_secs())),
    }
}

pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(deserializer)?;
    let span = text.parse::<Span>().ok();
    let duration = span.and_then(|span| span.to_duration(SpanRelativeTo::days_are_24_hours()).ok());
    let duration = duration.and_then(|duration| Duration::try_from(duration).ok());
    duration.ok_or_else(|| {
        D::Error::custom(format_args!(
            "{text:?} is not a duration: expected a number with a unit, such as 250ms or 5s"
        ))
    })
}
