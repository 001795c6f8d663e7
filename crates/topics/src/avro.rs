//! Avro data in Confluent's wire format, read by apache-avro with the schema of the registry. Nothing of it is shared with the code
//! that writes records.

use std::sync::Arc;

use apache_avro::Schema;
use apache_avro::reader::datum::GenericDatumReader;
use apache_avro::types::Value as AvroValue;

use crate::decimal;
use crate::form::{AvroForms, Form, PLAIN};
use crate::moment::Moment;
use crate::value::{Double, Row, Value};

/// Schema with the meaning of its parts.
#[derive(Debug)]
pub(crate) struct AvroSchema {
    pub(crate) schema: Schema,
    pub(crate) form: Arc<Form>,
}

/// Splits the wire format: a zero byte, the id of the schema, and the datum. `None` for bytes in another format.
///
/// See <https://docs.confluent.io/platform/current/schema-registry/fundamentals/serdes-develop/index.html#wire-format>.
pub(crate) fn split(bytes: &[u8]) -> Option<(u32, &[u8])> {
    match bytes.split_first_chunk::<5>() {
        Some((&[0, a, b, c, d], datum)) => Some((u32::from_be_bytes([a, b, c, d]), datum)),
        _ => None,
    }
}

impl AvroSchema {
    /// Parses a schema.
    ///
    /// # Errors
    /// The reason for which apache-avro rejects the schema.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let json = serde_json::from_str(text).map_err(|error| error.to_string())?;
        let schema = Schema::parse(&json).map_err(|error| error.to_string())?;
        Ok(Self {
            schema,
            form: AvroForms::default().form(&json, "", 0),
        })
    }

    /// Decodes a datum.
    ///
    /// # Errors
    /// The reason for which the datum does not match the schema.
    pub(crate) fn decode(&self, mut datum: &[u8]) -> Result<Value, String> {
        let reader = GenericDatumReader::builder(&self.schema).build();
        let value = reader
            .and_then(|reader| reader.read_value(&mut datum))
            .map_err(|error| error.to_string())?;
        match datum.len() {
            0 => Ok(value_of(value, &self.form)),
            left => Err(format!("{left} bytes follow the datum")),
        }
    }
}

fn value_of(value: AvroValue, form: &Form) -> Value {
    match (value, form) {
        (AvroValue::Union(variant, value), Form::Union(forms)) => {
            let form = usize::try_from(variant)
                .ok()
                .and_then(|variant| forms.get(variant));
            value_of(*value, form.map_or(&PLAIN, |form| &**form))
        }
        (AvroValue::Union(_, value), form) => value_of(*value, form),
        (AvroValue::Record(fields), Form::VariableDecimal) => variable_decimal(&fields),
        (AvroValue::Record(fields), form) => Value::Row(row(fields, form)),
        (AvroValue::Decimal(number), Form::Decimal(scale)) => {
            exact(Vec::<u8>::try_from(number).unwrap_or_default(), *scale)
        }
        (AvroValue::Bytes(bytes) | AvroValue::Fixed(_, bytes), Form::Decimal(scale)) => exact(bytes, *scale),
        (AvroValue::Array(items), form) => {
            let item_form: &Form = match form {
                Form::List(form) => form,
                _ => &PLAIN,
            };
            Value::List(items.into_iter().map(|item| value_of(item, item_form)).collect())
        }
        (AvroValue::Map(entries), form) => {
            let entry_form: &Form = match form {
                Form::Map(form) => form,
                _ => &PLAIN,
            };
            let mut entries: Vec<_> = entries.into_iter().collect();
            entries.sort_unstable_by(|(left, _), (right, _)| left.cmp(right));
            let entries = entries
                .into_iter()
                .map(|(key, value)| (Arc::from(key), value_of(value, entry_form)));
            Value::Row(entries.collect())
        }
        (value, form) => scalar(value, form),
    }
}

fn scalar(value: AvroValue, form: &Form) -> Value {
    let number = |number: i64| match form {
        Form::Moment(kind) => Value::Moment(Moment { kind: *kind, number }),
        _ => Value::Integer(number),
    };
    match value {
        AvroValue::Null => Value::Null,
        AvroValue::Boolean(value) => Value::Boolean(value),
        AvroValue::Int(value) | AvroValue::Date(value) | AvroValue::TimeMillis(value) => {
            number(i64::from(value))
        }
        AvroValue::Long(value)
        | AvroValue::TimeMicros(value)
        | AvroValue::TimestampMillis(value)
        | AvroValue::TimestampMicros(value)
        | AvroValue::TimestampNanos(value)
        | AvroValue::LocalTimestampMillis(value)
        | AvroValue::LocalTimestampMicros(value)
        | AvroValue::LocalTimestampNanos(value) => number(value),
        // The shortest text of the single precision number, as Postgres prints it.
        AvroValue::Float(value) => {
            Value::Double(Double(value.to_string().parse().unwrap_or(f64::from(value))))
        }
        AvroValue::Double(value) => Value::Double(Double(value)),
        AvroValue::String(text) | AvroValue::Enum(_, text) => Value::Text(text),
        AvroValue::Uuid(uuid) => Value::Text(uuid.to_string()),
        AvroValue::Bytes(bytes) | AvroValue::Fixed(_, bytes) => Value::Bytes(bytes),
        AvroValue::Decimal(number) => Value::Bytes(Vec::<u8>::try_from(number).unwrap_or_default()),
        other => Value::Text(format!("{other:?}")),
    }
}

fn row(fields: Vec<(String, AvroValue)>, form: &Form) -> Row {
    let forms = match form {
        Form::Record(forms) => forms.as_slice(),
        _ => &[],
    };
    let mut forms = forms.iter();
    let fields = fields.into_iter().map(|(name, value)| match forms.next() {
        Some((known, form)) if **known == *name => (Arc::clone(known), value_of(value, form)),
        _ => (Arc::from(name), value_of(value, &PLAIN)),
    });
    fields.collect()
}

fn exact(bytes: Vec<u8>, scale: i32) -> Value {
    match decimal::text(&bytes, scale) {
        Some(text) => Value::Decimal(text),
        None => Value::Bytes(bytes),
    }
}

/// Debezium's exact number whose scale is part of the value.
fn variable_decimal(fields: &[(String, AvroValue)]) -> Value {
    let field = |name: &str| {
        fields
            .iter()
            .find(|(field, _)| field == name)
            .map(|(_, value)| value)
    };
    match (field("scale"), field("value")) {
        (Some(AvroValue::Int(scale)), Some(AvroValue::Bytes(bytes))) => exact(bytes.clone(), *scale),
        _ => Value::Text(format!("{fields:?}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCHEMA: &str = r#"{"type":"record","name":"Value","namespace":"shop.public.orders","fields":[
        {"name":"id","type":"int"},
        {"name":"total","type":["null",{"type":"bytes","scale":2,"precision":10,"logicalType":"decimal","connect.name":"org.apache.kafka.connect.data.Decimal"}]},
        {"name":"at","type":{"type":"long","connect.name":"io.debezium.time.MicroTimestamp"}},
        {"name":"tags","type":{"type":"array","items":["null","string"]}}]}"#;

    #[test]
    fn a_datum_is_decoded_with_its_semantic_types() {
        let schema = AvroSchema::parse(SCHEMA).unwrap();
        let mut datum = vec![
            0x86, 0x84, 0x01, // 8451
            2, 4, 0x22, 0xF6, // the second branch, two bytes, 8950
            0,    // the Unix epoch
            2, 2, 2, b'a', 0, // one block with one item, the end
        ];
        expect_test::expect![[r#"{id: 8451, total: 89.50, at: 1970-01-01 00:00:00, tags: ["a"]}"#]]
            .assert_eq(&schema.decode(&datum).unwrap().to_string());
        datum.push(0);
        assert_eq!(schema.decode(&datum).unwrap_err(), "1 bytes follow the datum");
        schema.decode(&datum[..3]).unwrap_err();
    }

    #[test]
    fn the_wire_format_begins_with_a_zero_byte_and_an_id() {
        assert_eq!(split(&[0, 0, 0, 1, 2, 9]), Some((258, &[9][..])));
        assert_eq!(split(&[0, 0, 0, 1]), None);
        assert_eq!(split(b"{\"a\":1}"), None);
    }
}
