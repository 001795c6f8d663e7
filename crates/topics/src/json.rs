//! JSON as Connect's `JsonConverter` writes it, with its schema or without.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value as Json};

use crate::decimal;
use crate::form::{self, Form, PLAIN};
use crate::moment::Moment;
use crate::value::{Double, Row, Value};

/// Decodes JSON; an object of `schema` and `payload` is its payload, with the meaning that the schema names. Without a schema
/// numbers are numbers and texts are texts: JSON does not say which of them are dates or exact numbers.
///
/// # Errors
/// The reason for which the bytes are no JSON.
pub(crate) fn decode(bytes: &[u8]) -> Result<Value, String> {
    let json: Json = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
    Ok(match split_schema(json) {
        (Some(schema), payload) => value_of(payload, &form::of_connect(&schema, 0)),
        (None, payload) => value_of(payload, &PLAIN),
    })
}

/// Takes an object of `schema` and `payload` apart.
fn split_schema(json: Json) -> (Option<Json>, Json) {
    match json {
        Json::Object(mut parts) if is_with_schema(&parts) => {
            let schema = parts.remove("schema");
            let payload = parts.remove("payload").unwrap_or_default();
            (schema, payload)
        }
        other => (None, other),
    }
}

pub(crate) fn is_with_schema(parts: &Map<String, Json>) -> bool {
    parts.len() == 2 && parts.contains_key("schema") && parts.contains_key("payload")
}

fn value_of(json: Json, form: &Form) -> Value {
    match (json, form) {
        (Json::Null, _) => Value::Null,
        (Json::Bool(value), _) => Value::Boolean(value),
        (Json::Number(number), form) => match (number.as_i64(), form) {
            (Some(number), Form::Moment(kind)) => Value::Moment(Moment { kind: *kind, number }),
            (Some(number), _) => Value::Integer(number),
            (None, _) => Value::Double(Double(number.as_f64().unwrap_or(f64::NAN))),
        },
        (Json::String(text), Form::Decimal(scale)) => exact(&text, *scale).unwrap_or(Value::Text(text)),
        (Json::String(text), _) => Value::Text(text),
        (Json::Array(items), form) => {
            let item_form: &Form = match form {
                Form::List(form) => form,
                _ => &PLAIN,
            };
            Value::List(items.into_iter().map(|item| value_of(item, item_form)).collect())
        }
        (Json::Object(fields), Form::VariableDecimal) => {
            variable_decimal(&fields).unwrap_or_else(|| Value::Row(row(fields, &PLAIN)))
        }
        (Json::Object(fields), form) => Value::Row(row(fields, form)),
    }
}

fn row(fields: Map<String, Json>, form: &Form) -> Row {
    let fields = fields.into_iter().map(|(name, value)| {
        let known = match form {
            Form::Record(known) => known.iter().find(|(known, _)| **known == *name),
            _ => None,
        };
        match (known, form) {
            (Some((name, form)), _) => (Arc::clone(name), value_of(value, form)),
            (None, Form::Map(form)) => (Arc::from(name), value_of(value, form)),
            (None, _) => (Arc::from(name), value_of(value, &PLAIN)),
        }
    });
    fields.collect()
}

fn exact(base64: &str, scale: i32) -> Option<Value> {
    let unscaled = STANDARD.decode(base64).ok()?;
    decimal::text(&unscaled, scale).map(Value::Decimal)
}

fn variable_decimal(fields: &Map<String, Json>) -> Option<Value> {
    let scale = i32::try_from(fields.get("scale")?.as_i64()?).ok()?;
    exact(fields.get("value")?.as_str()?, scale)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payload_has_the_meaning_of_its_schema() {
        let bytes = br#"{"schema":{"type":"struct","fields":[
            {"type":"int32","field":"id"},
            {"type":"bytes","name":"org.apache.kafka.connect.data.Decimal","parameters":{"scale":"2"},"field":"total"},
            {"type":"int32","name":"io.debezium.time.Date","field":"day"}]},
            "payload":{"id":1,"total":"IvY=","day":0,"more":[1.5,null]}}"#;
        expect_test::expect!["{id: 1, total: 89.50, day: 1970-01-01, more: [1.5, null]}"]
            .assert_eq(&decode(bytes).unwrap().to_string());
    }

    #[test]
    fn without_a_schema_nothing_is_guessed() {
        expect_test::expect![[r#"{id: 1, total: "IvY=", schema: null}"#]].assert_eq(
            &decode(br#"{"id":1,"total":"IvY=","schema":null}"#)
                .unwrap()
                .to_string(),
        );
        decode(b"hello").unwrap_err();
    }
}
