//! Serialization of positions and numbers that JSON readers would round, as text in the format of Postgres.

/// Value as its text.
pub(crate) mod as_text {
    use std::fmt::Display;
    use std::str::FromStr;

    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(crate) fn serialize<T: Display, S: Serializer>(value: &T, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(value)
    }

    pub(crate) fn deserialize<'de, T, D>(deserializer: D) -> Result<T, D::Error>
    where
        T: FromStr,
        T::Err: Display,
        D: Deserializer<'de>,
    {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(D::Error::custom)
    }
}

/// Optional value as its text.
pub(crate) mod as_optional_text {
    use serde::{Deserialize, Deserializer, Serializer};
    use walcast_pgoutput::Lsn;

    #[expect(clippy::ref_option, reason = "serde hands over a reference to the field")]
    pub(crate) fn serialize<S: Serializer>(value: &Option<Lsn>, serializer: S) -> Result<S::Ok, S::Error> {
        match value {
            Some(value) => super::as_text::serialize(value, serializer),
            None => serializer.serialize_none(),
        }
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Lsn>, D::Error> {
        #[derive(Deserialize)]
        struct Text(#[serde(with = "super::as_text")] Lsn);
        Ok(Option::<Text>::deserialize(deserializer)?.map(|Text(lsn)| lsn))
    }
}
