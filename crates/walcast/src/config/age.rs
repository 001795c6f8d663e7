//! Long times, written as people write them.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use jiff::{SignedDuration, Span, SpanRelativeTo};
use serde::de::{Deserialize, Deserializer, Error, Visitor};
use serde::{Serialize, Serializer};

/// A length of time such as `90s`, `1h 30m` or `7d`; a day has 24 hours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Age(Duration);

impl Age {
    pub(crate) const fn from_secs(seconds: u64) -> Self {
        Self(Duration::from_secs(seconds))
    }

    pub(crate) const fn as_duration(self) -> Duration {
        self.0
    }
}

impl fmt::Display for Age {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match SignedDuration::try_from(self.0) {
            Ok(duration) => write!(f, "{duration:#}"),
            Err(_) => write!(f, "{}s", self.0.as_secs()),
        }
    }
}

/// The text is no length of time.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is no length of time: wanted one such as 90s, 1h 30m or 7d")]
pub(crate) struct ParseAgeError {
    text: String,
}

impl FromStr for Age {
    type Err = ParseAgeError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let span = text.parse::<Span>().ok();
        let duration = span.and_then(|span| span.to_duration(SpanRelativeTo::days_are_24_hours()).ok());
        let duration = duration.and_then(|duration| Duration::try_from(duration).ok());
        duration.map(Self).ok_or_else(|| ParseAgeError {
            text: text.to_owned(),
        })
    }
}

impl Serialize for Age {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Age {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(AgeVisitor)
    }
}

struct AgeVisitor;

impl Visitor<'_> for AgeVisitor {
    type Value = Age;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a length of time such as \"1h\"")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Age, E> {
        text.parse().map_err(E::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::Age;

    #[test]
    fn lengths_of_time_are_read() {
        for (text, seconds) in [
            ("0s", 0),
            ("90s", 90),
            ("1h", 3600),
            ("1h 30m", 5400),
            ("7d", 604_800),
            ("PT1H", 3600),
            ("1w", 604_800),
        ] {
            assert_eq!(text.parse(), Ok(Age::from_secs(seconds)), "{text}");
        }
    }

    #[test]
    fn what_is_printed_reads_back() {
        for seconds in [0, 1, 60, 3600, 5400, 90_061] {
            let printed = Age::from_secs(seconds).to_string();
            assert_eq!(printed.parse(), Ok(Age::from_secs(seconds)), "{printed}");
        }
    }

    #[test]
    fn other_texts_are_refused() {
        for text in ["", "1", "h", "-1h", "1 month", "soon"] {
            assert!(text.parse::<Age>().is_err(), "{text:?} was taken");
        }
    }
}
