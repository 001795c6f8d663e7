//! Sizes of memory and WAL, in the notation of Postgres.

use std::fmt;
use std::str::FromStr;

use serde::de::{Deserialize, Deserializer, Error, Visitor};
use serde::{Serialize, Serializer};

/// Size in bytes. The units `kB`, `MB`, `GB` and `TB` are powers of 1024, as in Postgres's `max_slot_wal_keep_size`; `KiB` etc.
/// are accepted too.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ByteSize(u64);

const UNITS: [(&str, u32); 5] = [("TB", 40), ("GB", 30), ("MB", 20), ("kB", 10), ("B", 0)];

impl ByteSize {
    pub(crate) const fn new(bytes: u64) -> Self {
        Self(bytes)
    }

    pub(crate) const fn as_u64(self) -> u64 {
        self.0
    }
}

impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whole = |shift: u32| self.0 > 0 && self.0.trailing_zeros() >= shift;
        let (unit, shift) = UNITS
            .into_iter()
            .find(|(_, shift)| whole(*shift))
            .unwrap_or(("B", 0));
        write!(f, "{}{unit}", self.0 >> shift)
    }
}

/// Error: a text is not a size.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a size: expected a whole number with B, kB, MB, GB or TB, such as 512MB")]
pub(crate) struct ParseByteSizeError {
    text: String,
}

impl FromStr for ByteSize {
    type Err = ParseByteSizeError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let digits = text.chars().take_while(char::is_ascii_digit).count();
        let parsed = text.split_at_checked(digits).and_then(|(number, unit)| {
            let number: u64 = number.parse().ok()?;
            let unit = unit.trim().to_ascii_lowercase().replace("ib", "b");
            let unit = if unit.is_empty() { "b" } else { unit.as_str() };
            let (_, shift) = UNITS
                .into_iter()
                .find(|(name, _)| name.eq_ignore_ascii_case(unit))?;
            number.checked_mul(1 << shift)
        });
        parsed.map(Self).ok_or_else(|| ParseByteSizeError {
            text: text.to_owned(),
        })
    }
}

impl Serialize for ByteSize {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ByteSize {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ByteSizeVisitor)
    }
}

struct ByteSizeVisitor;

impl Visitor<'_> for ByteSizeVisitor {
    type Value = ByteSize;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number of bytes or a size such as \"512MB\"")
    }

    fn visit_i64<E: Error>(self, bytes: i64) -> Result<ByteSize, E> {
        u64::try_from(bytes)
            .map(ByteSize)
            .map_err(|_| E::custom(format!("{bytes} is not a size: it is negative")))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<ByteSize, E> {
        text.parse().map_err(E::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::ByteSize;

    #[test]
    fn parses_sizes_as_postgres_does() {
        for (text, bytes) in [
            ("0", 0),
            ("512", 512),
            ("64kB", 65_536),
            ("4 MB", 4 << 20),
            ("10GB", 10 << 30),
            ("10gib", 10 << 30),
        ] {
            assert_eq!(text.parse(), Ok(ByteSize::new(bytes)), "{text}");
        }
    }

    #[test]
    fn printed_sizes_parse_to_the_same_value() {
        for bytes in [0, 1, 1023, 1024, 3 << 20, 5 << 30, (5 << 30) + 1] {
            let printed = ByteSize::new(bytes).to_string();
            assert_eq!(printed.parse(), Ok(ByteSize::new(bytes)), "{printed}");
        }
    }

    #[test]
    fn rejects_other_texts() {
        for text in ["", "GB", "1.5GB", "-1", "10 GBs", "99999999999TB", "1€"] {
            assert!(text.parse::<ByteSize>().is_err(), "{text:?} was accepted");
        }
    }
}
