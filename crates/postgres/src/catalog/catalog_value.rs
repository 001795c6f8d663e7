//! Types of the values that are read from the catalog.

use std::error::Error;

use tokio_postgres::types::{FromSql, FromSqlOwned, Type};
use walcast_pgoutput::recode::readable_name;

/// Type of a value of the catalog.
pub(crate) trait CatalogValue {
    /// Type of the value as it is sent.
    type Sent: FromSqlOwned;

    /// Value of what was sent.
    fn of_sent(sent: Self::Sent) -> Self;
}

/// Text, with U+FFFD in place of its bytes beyond ASCII if it is not UTF-8.
pub(crate) struct ReadableText(String);

impl<'a> FromSql<'a> for ReadableText {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn Error + Sync + Send>> {
        Ok(Self(readable_name(raw)))
    }

    fn accepts(ty: &Type) -> bool {
        <String as FromSql<'a>>::accepts(ty)
    }
}

impl CatalogValue for String {
    type Sent = ReadableText;

    fn of_sent(sent: ReadableText) -> Self {
        sent.0
    }
}

impl CatalogValue for Option<String> {
    type Sent = Option<ReadableText>;

    fn of_sent(sent: Self::Sent) -> Self {
        sent.map(|text| text.0)
    }
}

impl CatalogValue for Vec<String> {
    type Sent = Vec<ReadableText>;

    fn of_sent(sent: Self::Sent) -> Self {
        sent.into_iter().map(|text| text.0).collect()
    }
}

impl CatalogValue for Option<Vec<String>> {
    type Sent = Option<Vec<ReadableText>>;

    fn of_sent(sent: Self::Sent) -> Self {
        sent.map(Vec::<String>::of_sent)
    }
}

/// Types whose values are sent as they are.
macro_rules! sent_as_they_are {
    ($($plain:ty),*) => {$(
        impl CatalogValue for $plain {
            type Sent = $plain;

            fn of_sent(sent: $plain) -> Self {
                sent
            }
        }
    )*};
}

sent_as_they_are!(
    bool,
    Option<bool>,
    i16,
    i32,
    Option<i32>,
    u32,
    Vec<u32>,
    Vec<u8>,
    i64,
    Option<i64>,
    Option<f64>,
    Option<Vec<i16>>
);

#[cfg(test)]
mod tests {
    use tokio_postgres::types::{FromSql, Type};

    use super::{CatalogValue, ReadableText};

    #[test]
    fn names_that_are_not_utf8_are_made_readable() {
        let read = |raw| String::of_sent(ReadableText::from_sql(&Type::TEXT, raw).unwrap());
        assert_eq!(read("café".as_bytes()), "café");
        assert_eq!(read(b"caf\xE9"), "caf\u{FFFD}");
    }
}
