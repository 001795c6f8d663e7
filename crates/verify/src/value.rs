//! Values in one form, whichever way they were decoded.

use std::collections::BTreeMap;

use apache_avro::types::Value as Avro;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Number, Value as Json};

/// Value of a column or of a key. Integers and floats have one width each, so that a column that was widened has the same value in
/// the records from before.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Null.
    Null,
    /// Boolean.
    Bool(bool),
    /// Integer of any width.
    Int(i64),
    /// Float of any width.
    Float(f64),
    /// Text.
    Text(String),
    /// Bytes.
    Bytes(Vec<u8>),
    /// List.
    List(Vec<Value>),
    /// Record or map.
    Record(BTreeMap<String, Value>),
}

impl Value {
    /// Field of a record that is not null.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Value> {
        match self {
            Value::Record(fields) => fields.get(name).filter(|value| **value != Value::Null),
            _ => None,
        }
    }

    /// The text, if the value is one.
    #[must_use]
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// Appends a form that differs for different values. Fields that are null are left out.
    pub fn write(&self, out: &mut Vec<u8>) {
        match self {
            Value::Null => out.push(b'n'),
            Value::Bool(value) => out.extend_from_slice(&[b'b', u8::from(*value)]),
            Value::Int(number) => {
                out.push(b'i');
                out.extend_from_slice(&number.to_be_bytes());
            }
            Value::Float(number) => {
                out.push(b'f');
                let number = if number.is_nan() { f64::NAN } else { *number };
                out.extend_from_slice(&number.to_bits().to_be_bytes());
            }
            Value::Text(text) => write_bytes(b't', text.as_bytes(), out),
            Value::Bytes(bytes) => write_bytes(b'y', bytes, out),
            Value::List(items) => {
                write_head(b'l', items.len(), out);
                items.iter().for_each(|item| item.write(out));
            }
            Value::Record(fields) => {
                let present = || fields.iter().filter(|(_, value)| **value != Value::Null);
                write_head(b'r', present().count(), out);
                for (name, value) in present() {
                    write_bytes(b't', name.as_bytes(), out);
                    value.write(out);
                }
            }
        }
    }

    /// The value as JSON, to be printed. Bytes are in base64.
    #[must_use]
    pub fn to_json(&self) -> Json {
        match self {
            Value::Null => Json::Null,
            Value::Bool(value) => Json::Bool(*value),
            Value::Int(number) => Json::from(*number),
            Value::Float(number) => {
                Number::from_f64(*number).map_or_else(|| Json::String(number.to_string()), Json::Number)
            }
            Value::Text(text) => Json::String(text.clone()),
            Value::Bytes(bytes) => Json::String(STANDARD.encode(bytes)),
            Value::List(items) => Json::Array(items.iter().map(Value::to_json).collect()),
            Value::Record(fields) => Json::Object(
                fields
                    .iter()
                    .map(|(name, value)| (name.clone(), value.to_json()))
                    .collect(),
            ),
        }
    }
}

fn write_head(kind: u8, count: usize, out: &mut Vec<u8>) {
    out.push(kind);
    out.extend_from_slice(&(count as u64).to_be_bytes());
}

fn write_bytes(kind: u8, bytes: &[u8], out: &mut Vec<u8>) {
    write_head(kind, bytes.len(), out);
    out.extend_from_slice(bytes);
}

impl From<Avro> for Value {
    fn from(value: Avro) -> Self {
        match value {
            Avro::Null => Value::Null,
            Avro::Boolean(value) => Value::Bool(value),
            Avro::Int(number) | Avro::Date(number) | Avro::TimeMillis(number) => {
                Value::Int(i64::from(number))
            }
            Avro::Long(number)
            | Avro::TimeMicros(number)
            | Avro::TimestampMillis(number)
            | Avro::TimestampMicros(number)
            | Avro::TimestampNanos(number)
            | Avro::LocalTimestampMillis(number)
            | Avro::LocalTimestampMicros(number)
            | Avro::LocalTimestampNanos(number) => Value::Int(number),
            Avro::Float(number) => Value::Float(f64::from(number)),
            Avro::Double(number) => Value::Float(number),
            Avro::String(text) | Avro::Enum(_, text) => Value::Text(text),
            Avro::Uuid(uuid) => Value::Text(uuid.to_string()),
            Avro::Bytes(bytes) | Avro::Fixed(_, bytes) => Value::Bytes(bytes),
            Avro::Decimal(decimal) => Value::Bytes(Vec::<u8>::try_from(&decimal).unwrap_or_default()),
            Avro::Union(_, value) => Value::from(*value),
            Avro::Array(items) => Value::List(items.into_iter().map(Value::from).collect()),
            Avro::Map(fields) => Value::Record(
                fields
                    .into_iter()
                    .map(|(name, value)| (name, Value::from(value)))
                    .collect(),
            ),
            Avro::Record(fields) => Value::Record(
                fields
                    .into_iter()
                    .map(|(name, value)| (name, Value::from(value)))
                    .collect(),
            ),
            // No schema of the mapper has one of the others.
            other => Value::Text(format!("{other:?}")),
        }
    }
}

impl From<Json> for Value {
    fn from(value: Json) -> Self {
        match value {
            Json::Null => Value::Null,
            Json::Bool(value) => Value::Bool(value),
            Json::Number(number) => match number.as_i64() {
                Some(number) => Value::Int(number),
                None => Value::Float(number.as_f64().unwrap_or(f64::NAN)),
            },
            Json::String(text) => Value::Text(text),
            Json::Array(items) => Value::List(items.into_iter().map(Value::from).collect()),
            Json::Object(fields) => Value::Record(
                fields
                    .into_iter()
                    .map(|(name, value)| (name, Value::from(value)))
                    .collect(),
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn written(value: &Value) -> Vec<u8> {
        let mut out = Vec::new();
        value.write(&mut out);
        out
    }

    fn values() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::Bool),
            any::<i64>().prop_map(Value::Int),
            "[ab]{0,3}".prop_map(Value::Text),
            proptest::collection::vec(97_u8..99, 0..3).prop_map(Value::Bytes),
        ];
        leaf.prop_recursive(3, 16, 4, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::List),
                proptest::collection::btree_map("[ab]{1,2}", inner, 0..4).prop_map(Value::Record),
            ]
        })
    }

    /// Without the fields that are null, which are written as if they were missing.
    fn plain(value: &Value) -> Value {
        match value {
            Value::List(items) => Value::List(items.iter().map(plain).collect()),
            Value::Record(fields) => Value::Record(
                fields
                    .iter()
                    .filter(|(_, value)| **value != Value::Null)
                    .map(|(name, value)| (name.clone(), plain(value)))
                    .collect(),
            ),
            other => other.clone(),
        }
    }

    #[test]
    fn a_widened_column_keeps_its_value() {
        assert_eq!(Value::from(Avro::Int(7)), Value::from(Avro::Long(7)));
        assert_eq!(Value::from(Avro::Float(1.5)), Value::from(Avro::Double(1.5)));
        let nullable = Avro::Union(1, Box::new(Avro::String("a".to_owned())));
        assert_eq!(Value::from(nullable), Value::Text("a".to_owned()));
    }

    #[test]
    fn every_nan_is_the_same() {
        let other = f64::from_bits(f64::NAN.to_bits() | 1);
        assert_eq!(written(&Value::Float(other)), written(&Value::Float(f64::NAN)));
        assert_ne!(written(&Value::Float(0.0)), written(&Value::Float(-0.0)));
    }

    proptest! {
        #[test]
        fn different_values_are_written_differently(one in values(), other in values()) {
            prop_assert_eq!(written(&one) == written(&other), plain(&one) == plain(&other));
        }
    }
}
