//! Records read by an independent decoder, and shown as short text.

use apache_avro::Schema;
use apache_avro::reader::datum::GenericDatumReader;
use apache_avro::types::Value;
use num_bigint::BigInt;

/// Decodes the bytes after the registry's prefix.
pub(crate) fn decode(schema: &Schema, record: &[u8]) -> Value {
    let mut body = &record[5..];
    let value = GenericDatumReader::builder(schema)
        .build()
        .unwrap()
        .read_value(&mut body)
        .unwrap();
    assert!(body.is_empty(), "{} bytes are left over", body.len());
    value
}

/// A field of a record.
pub(crate) fn field<'a>(value: &'a Value, name: &str) -> &'a Value {
    match value {
        Value::Union(_, inner) => field(inner, name),
        Value::Record(fields) => &fields.iter().find(|(found, _)| found == name).unwrap().1,
        other => panic!("{other:?} has no field {name}"),
    }
}

/// The value as text: decimals by their unscaled number, bytes in hexadecimal.
pub(crate) fn show(value: &Value) -> String {
    let list = |parts: Vec<String>| parts.join(", ");
    match value {
        Value::Null => "null".to_owned(),
        Value::Boolean(value) => value.to_string(),
        Value::Int(value) => value.to_string(),
        Value::Long(value) => value.to_string(),
        Value::Date(days) => format!("{days}d"),
        Value::TimeMillis(millis) => format!("{millis}ms"),
        Value::TimestampMillis(millis) => format!("{millis}ms"),
        Value::Map(values) => {
            let mut values: Vec<_> = values.iter().collect();
            values.sort_by_key(|(key, _)| key.as_str());
            let values = values
                .into_iter()
                .map(|(key, value)| format!("{key:?}: {}", show(value)));
            format!("{{{}}}", list(values.collect()))
        }
        Value::Float(value) => format!("{value:?}"),
        Value::Double(value) => format!("{value:?}"),
        Value::String(value) => format!("{value:?}"),
        Value::Bytes(value) => {
            format!(
                "x{}",
                value.iter().map(|byte| format!("{byte:02x}")).collect::<String>()
            )
        }
        Value::Decimal(value) => format!("{}e", BigInt::from(value.clone())),
        Value::Union(_, value) => show(value),
        Value::Array(values) => format!("[{}]", list(values.iter().map(show).collect())),
        Value::Record(fields) => {
            let fields = fields
                .iter()
                .map(|(name, value)| format!("{name}: {}", show(value)));
            format!("{{{}}}", list(fields.collect()))
        }
        other => format!("{other:?}"),
    }
}
