//! Types of the values that are read from the catalog.

use std::error::Error;

use tokio_postgres::types::{FromSql, FromSqlOwned, Type};

use super::catalog_row::RowTexts;

/// Type of a value of the catalog.
pub(crate) trait CatalogValue {
    /// Type of the value as it is sent.
    type Sent: FromSqlOwned;

    /// Value of what was sent.
    fn of_sent(sent: Self::Sent, texts: &RowTexts) -> Self;
}

/// Bytes of a text.
pub(crate) struct SentText(Vec<u8>);

impl<'a> FromSql<'a> for SentText {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn Error + Sync + Send>> {
        Ok(Self(raw.to_owned()))
    }

    fn accepts(ty: &Type) -> bool {
        <String as FromSql<'a>>::accepts(ty) || *ty == Type::BYTEA
    }
}

impl CatalogValue for String {
    type Sent = SentText;

    fn of_sent(sent: SentText, texts: &RowTexts) -> Self {
        texts.readable(&sent.0)
    }
}

impl CatalogValue for Option<String> {
    type Sent = Option<SentText>;

    fn of_sent(sent: Self::Sent, texts: &RowTexts) -> Self {
        sent.map(|text| texts.readable(&text.0))
    }
}

impl CatalogValue for Vec<String> {
    type Sent = Vec<SentText>;

    fn of_sent(sent: Self::Sent, texts: &RowTexts) -> Self {
        sent.into_iter().map(|text| texts.readable(&text.0)).collect()
    }
}

impl CatalogValue for Option<Vec<String>> {
    type Sent = Option<Vec<SentText>>;

    fn of_sent(sent: Self::Sent, texts: &RowTexts) -> Self {
        sent.map(|sent| Vec::<String>::of_sent(sent, texts))
    }
}

/// Types whose values are sent as they are.
macro_rules! sent_as_they_are {
    ($($plain:ty),*) => {$(
        impl CatalogValue for $plain {
            type Sent = $plain;

            fn of_sent(sent: $plain, _: &RowTexts) -> Self {
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

    use super::{CatalogValue, RowTexts, SentText};

    #[test]
    fn names_that_are_not_utf8_are_made_readable() {
        let sent = |raw| SentText::from_sql(&Type::TEXT, raw).unwrap();
        let read = |raw| String::of_sent(sent(raw), &RowTexts::Sent);
        assert_eq!(read("café".as_bytes()), "café");
        assert_eq!(read(b"caf\xE9"), "caf\u{FFFD}");
    }
}
