//! Placeholder of unchanged TOAST values, in the form that it has in a column of each type.

use num_bigint::BigInt;

use crate::value::{Row, Value};

/// Placeholder of unchanged TOAST values.
pub(crate) struct Placeholder<'a> {
    text: &'a str,
}

/// Field of a geometry with its bytes.
const GEOMETRY_BYTES: &str = "wkb";

impl<'a> Placeholder<'a> {
    pub(crate) fn new(text: &'a str) -> Self {
        Self { text }
    }

    /// Whether a value of a column is the placeholder. Columns of types that are too short for TOAST never have it.
    pub(crate) fn is(&self, value: &Value) -> bool {
        if self.text.is_empty() {
            return false;
        }
        match value {
            Value::Text(text) => text == self.text || (text.starts_with("{\"") && *text == self.hstore()),
            Value::Bytes(bytes) => bytes == self.text.as_bytes(),
            // The bytes of the placeholder as an unscaled number.
            Value::Decimal(text) => text.len() > self.text.len() && text.replace('.', "") == self.number(),
            Value::List(items) => match items.as_slice() {
                [only] => self.is(only),
                bytes => self.is_bytes(bytes),
            },
            Value::Row(row) => self.is_row(row),
            Value::Null
            | Value::Unavailable
            | Value::Boolean(_)
            | Value::Integer(_)
            | Value::Double(_)
            | Value::Moment(_) => false,
        }
    }

    /// A list of numbers, one for each byte.
    fn is_bytes(&self, items: &[Value]) -> bool {
        let numbers = items.iter().map(Value::as_integer);
        items.len() == self.text.len() && numbers.eq(self.text.bytes().map(|byte| Some(i64::from(byte))))
    }

    fn is_row(&self, row: &Row) -> bool {
        let bytes = row.get(GEOMETRY_BYTES);
        let is_geometry = bytes.is_some_and(|bytes| self.is(bytes));
        let mut fields = row.iter();
        let is_map = match (fields.next(), fields.next()) {
            (Some((name, Value::Text(text))), None) => name == self.text && text == self.text,
            _ => false,
        };
        is_geometry || is_map
    }

    /// As JSON text of an `hstore`.
    fn hstore(&self) -> String {
        format!("{{\"{0}\":\"{0}\"}}", self.text)
    }

    fn number(&self) -> String {
        BigInt::from_signed_bytes_be(self.text.as_bytes()).to_string()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::decimal;

    #[test]
    fn the_placeholder_is_found_in_every_form() {
        let placeholder = Placeholder::new("__x");
        let text = || Value::Text("__x".to_owned());
        let row = |name: &str, value| Value::Row([(Arc::from(name), value)].into_iter().collect());
        for value in [
            text(),
            Value::Text(r#"{"__x":"__x"}"#.to_owned()),
            Value::Bytes(b"__x".to_vec()),
            Value::Decimal(decimal::text(b"__x", 2).unwrap()),
            Value::List(vec![text()]),
            Value::List(
                b"__x"
                    .iter()
                    .map(|byte| Value::Integer(i64::from(*byte)))
                    .collect(),
            ),
            row("__x", text()),
            row("wkb", Value::Bytes(b"__x".to_vec())),
        ] {
            assert!(placeholder.is(&value), "{value}");
        }
        for value in [
            Value::Text("x".to_owned()),
            Value::Decimal("1.00".to_owned()),
            Value::List(vec![]),
            Value::Null,
        ] {
            assert!(!placeholder.is(&value), "{value}");
        }
    }
}
