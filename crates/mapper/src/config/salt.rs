//! A salt, which is never shown.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, Visitor};

/// What is hashed before each value. Who knows it can find the value of a hash by trying: neither `Debug` nor an error
/// shows it.
#[derive(Clone, PartialEq, Eq)]
pub struct Salt(Vec<u8>);

impl Salt {
    /// The UTF-8 bytes of a text.
    #[must_use]
    pub fn new(text: &str) -> Self {
        Self(text.as_bytes().to_vec())
    }

    pub(crate) fn reveal(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Salt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

impl<'de> Deserialize<'de> for Salt {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Text)
    }
}

/// serde's own error for a wrong type quotes the value.
struct Text;

impl Visitor<'_> for Text {
    type Value = Salt;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Salt, E> {
        Ok(Salt::new(text))
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<Salt, E> {
        Err(E::custom("invalid type: number, expected a string in quotes"))
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<Salt, E> {
        Err(E::custom("invalid type: number, expected a string in quotes"))
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<Salt, E> {
        Err(E::custom("invalid type: boolean, expected a string in quotes"))
    }
}

#[cfg(test)]
mod tests {
    use super::Salt;

    #[test]
    fn debug_shows_nothing() {
        assert_eq!(format!("{:?}", Some(Salt::new("pepper"))), "Some([redacted])");
    }
}
