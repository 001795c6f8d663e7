//! Durations in the configuration: a number with a unit.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::de::{Deserialize, Deserializer, Error, Visitor};
use serde::{Serialize, Serializer};
use walcast_mapper::config::DurationText;

/// Duration of a configuration key, such as `5ms`, `90s`, `1h 30m` or `7d`; a day has 24 hours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ConfigDuration(Duration);

impl ConfigDuration {
    pub(crate) const fn new(duration: Duration) -> Self {
        Self(duration)
    }

    pub(crate) const fn from_millis(millis: u64) -> Self {
        Self(Duration::from_millis(millis))
    }

    pub(crate) const fn from_secs(seconds: u64) -> Self {
        Self(Duration::from_secs(seconds))
    }

    pub(crate) const fn get(self) -> Duration {
        self.0
    }
}

impl fmt::Display for ConfigDuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        DurationText(self.0).fmt(f)
    }
}

/// Error: a text is not a duration.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a duration: expected a number with a unit, such as 5ms, 90s, 1h 30m or 7d")]
pub(crate) struct ParseDurationError {
    text: String,
}

impl FromStr for ConfigDuration {
    type Err = ParseDurationError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        DurationText::parse(text)
            .map(Self)
            .ok_or_else(|| ParseDurationError {
                text: text.to_owned(),
            })
    }
}

impl Serialize for ConfigDuration {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ConfigDuration {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(DurationVisitor)
    }
}

struct DurationVisitor;

impl Visitor<'_> for DurationVisitor {
    type Value = ConfigDuration;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a duration with its unit, such as \"10s\"")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<ConfigDuration, E> {
        text.parse().map_err(E::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::ConfigDuration;

    #[test]
    fn parses_durations_with_units() {
        for (text, millis) in [
            ("0s", 0),
            ("5ms", 5),
            ("1s 500ms", 1500),
            ("90s", 90_000),
            ("15m", 900_000),
            ("1h", 3_600_000),
            ("1h 30m", 5_400_000),
            ("7d", 604_800_000),
            ("PT1H", 3_600_000),
            ("1w", 604_800_000),
        ] {
            assert_eq!(text.parse(), Ok(ConfigDuration::from_millis(millis)), "{text}");
        }
    }

    #[test]
    fn printed_durations_parse_to_the_same_value() {
        for (millis, text) in [
            (0, "0s"),
            (5, "5ms"),
            (500, "500ms"),
            (10_000, "10s"),
            (60_000, "1m"),
            (900_000, "15m"),
            (3_600_000, "1h"),
            (5_400_000, "1h 30m"),
            (90_061_000, "25h 1m 1s"),
        ] {
            let printed = ConfigDuration::from_millis(millis).to_string();
            assert_eq!(printed, text);
            assert_eq!(
                printed.parse(),
                Ok(ConfigDuration::from_millis(millis)),
                "{printed}"
            );
        }
    }

    #[test]
    fn rejects_other_texts() {
        for text in ["", "1", "h", "-1h", "1 month", "soon"] {
            assert!(text.parse::<ConfigDuration>().is_err(), "{text:?} was accepted");
        }
    }
}
