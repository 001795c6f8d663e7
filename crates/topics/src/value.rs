//! Values of fields with the meaning that their schema names, independent of the encoding in which they were sent.

use std::fmt;
use std::sync::Arc;

use serde::ser::{SerializeMap, SerializeSeq};
use serde::{Serialize, Serializer};

use crate::moment::Moment;

/// Value of a field.
///
/// Printed as for people: text in quotes, bytes as Postgres prints them. Serialized as JSON: decimals, moments and bytes as text,
/// so that nothing is rounded.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Value {
    /// Null.
    Null,
    /// Unchanged TOAST value, which WAL does not contain: the record has the placeholder in its place.
    Unavailable,
    /// True or false.
    Boolean(bool),
    /// A whole number.
    Integer(i64),
    /// A number of single or double precision.
    Double(Double),
    /// Text.
    Text(String),
    /// Bytes.
    Bytes(Vec<u8>),
    /// An exact number, with all digits of its scale.
    Decimal(String),
    /// A date or a time.
    Moment(Moment),
    /// A list.
    List(Vec<Value>),
    /// Fields by name: a row, a block of the envelope, a map.
    Row(Row),
}

/// Number of double precision. Two of them are equal if their bits are equal, so that `NaN` equals itself.
#[derive(Clone, Copy, Debug)]
pub struct Double(pub f64);

/// Fields with their names, in the order of the schema.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Row {
    fields: Vec<(Arc<str>, Value)>,
}

impl Row {
    /// Value of a field; `None` if there is no such field.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.fields
            .iter()
            .find(|(field, _)| &**field == name)
            .map(|(_, value)| value)
    }

    /// Fields in their order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.fields.iter().map(|(name, value)| (&**name, value))
    }

    /// Number of fields.
    #[must_use]
    pub fn len(&self) -> usize {
        self.fields.len()
    }

    /// Whether there is no field.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }

    /// Whether there is a field with this name.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    pub(crate) fn take(&mut self, name: &str) -> Option<Value> {
        let place = self.fields.iter().position(|(field, _)| &**field == name)?;
        Some(self.fields.remove(place).1)
    }

    pub(crate) fn values_mut(&mut self) -> impl Iterator<Item = &mut Value> {
        self.fields.iter_mut().map(|(_, value)| value)
    }
}

impl FromIterator<(Arc<str>, Value)> for Row {
    fn from_iter<I: IntoIterator<Item = (Arc<str>, Value)>>(fields: I) -> Self {
        Self {
            fields: fields.into_iter().collect(),
        }
    }
}

impl Value {
    /// Text of a text value.
    #[must_use]
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// Number of a whole number.
    #[must_use]
    pub fn as_integer(&self) -> Option<i64> {
        match self {
            Self::Integer(number) => Some(*number),
            _ => None,
        }
    }

    /// Fields of a row.
    #[must_use]
    pub fn as_row(&self) -> Option<&Row> {
        match self {
            Self::Row(row) => Some(row),
            _ => None,
        }
    }
}

impl PartialEq for Double {
    fn eq(&self, other: &Self) -> bool {
        self.0.to_bits() == other.0.to_bits()
    }
}

impl Eq for Double {}

impl std::hash::Hash for Double {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.0.to_bits().hash(state);
    }
}

/// Bytes as Postgres prints them: `\x` and hexadecimal digits.
fn hexadecimal(bytes: &[u8]) -> String {
    use fmt::Write as _;
    bytes.iter().fold(String::from("\\x"), |mut text, byte| {
        let written = write!(text, "{byte:02x}");
        debug_assert!(written.is_ok(), "a string takes any text");
        text
    })
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Unavailable => f.write_str("(unchanged, not in WAL)"),
            Self::Boolean(value) => value.fmt(f),
            Self::Integer(number) => number.fmt(f),
            Self::Double(number) => number.0.fmt(f),
            Self::Text(text) => write!(f, "{text:?}"),
            Self::Bytes(bytes) => f.write_str(&hexadecimal(bytes)),
            Self::Decimal(text) => f.write_str(text),
            Self::Moment(moment) => moment.fmt(f),
            Self::List(items) => {
                f.write_str("[")?;
                for (place, item) in items.iter().enumerate() {
                    if place > 0 {
                        f.write_str(", ")?;
                    }
                    item.fmt(f)?;
                }
                f.write_str("]")
            }
            Self::Row(row) => row.fmt(f),
        }
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("{")?;
        for (place, (name, value)) in self.iter().enumerate() {
            if place > 0 {
                f.write_str(", ")?;
            }
            write!(f, "{name}: {value}")?;
        }
        f.write_str("}")
    }
}

/// Debezium's placeholder, whichever the connector writes: what is printed as JSON has one form.
const UNAVAILABLE: &str = "__debezium_unavailable_value";

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => serializer.serialize_unit(),
            Self::Unavailable => serializer.serialize_str(UNAVAILABLE),
            Self::Boolean(value) => serializer.serialize_bool(*value),
            Self::Integer(number) => serializer.serialize_i64(*number),
            Self::Double(Double(number)) if number.is_finite() => serializer.serialize_f64(*number),
            Self::Double(Double(number)) => serializer.collect_str(number),
            Self::Text(text) | Self::Decimal(text) => serializer.serialize_str(text),
            Self::Bytes(bytes) => serializer.serialize_str(&hexadecimal(bytes)),
            Self::Moment(moment) => moment.serialize(serializer),
            Self::List(items) => {
                let mut list = serializer.serialize_seq(Some(items.len()))?;
                for item in items {
                    list.serialize_element(item)?;
                }
                list.end()
            }
            Self::Row(row) => row.serialize(serializer),
        }
    }
}

impl Serialize for Row {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.len()))?;
        for (name, value) in self.iter() {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_printed_without_ambiguity() {
        let row: Row = [
            ("a", Value::Null),
            ("b", Value::Text("null\n".to_owned())),
            ("c", Value::Bytes(vec![0, 255])),
            ("d", Value::Decimal("89.90".to_owned())),
            ("e", Value::List(vec![Value::Boolean(true), Value::Integer(-1)])),
            ("f", Value::Double(Double(f64::NAN))),
            ("g", Value::Unavailable),
        ]
        .map(|(name, value)| (Arc::from(name), value))
        .into_iter()
        .collect();
        expect_test::expect![[
            r#"{a: null, b: "null\n", c: \x00ff, d: 89.90, e: [true, -1], f: NaN, g: (unchanged, not in WAL)}"#
        ]]
        .assert_eq(&row.to_string());
        expect_test::expect![[
            r#"{"a":null,"b":"null\n","c":"\\x00ff","d":"89.90","e":[true,-1],"f":"NaN","g":"__debezium_unavailable_value"}"#
        ]]
        .assert_eq(&serde_json::to_string(&row).unwrap());
        assert_eq!(row, row.clone());
    }
}
