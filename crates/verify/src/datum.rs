//! Decoding of keys and values, by libraries that share nothing with the code that encodes them.

use apache_avro::Schema;
use apache_avro::reader::datum::GenericDatumReader;
use serde_json::Value as Json;

use crate::value::Value;

/// Bytes that cannot be decoded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DatumError {
    /// They are not Avro in the wire format of a registry.
    #[error("it does not begin with the id of a schema")]
    NotAvro,
    /// A schema cannot be parsed, or the bytes do not match it.
    #[error("it does not match its Avro schema: {0}")]
    Avro(#[source] Box<apache_avro::Error>),
    /// Bytes follow the datum.
    #[error("{bytes} bytes follow the datum")]
    Longer {
        /// Number of these bytes.
        bytes: usize,
    },
    /// They are not JSON.
    #[error("it is not JSON: {0}")]
    Json(#[source] serde_json::Error),
}

impl From<apache_avro::Error> for DatumError {
    fn from(error: apache_avro::Error) -> Self {
        Self::Avro(Box::new(error))
    }
}

/// Splits Avro in the wire format of a registry: the id of the schema, and the datum.
///
/// # Errors
/// The bytes have another format.
pub fn split(bytes: &[u8]) -> Result<(u32, &[u8]), DatumError> {
    match bytes.split_first_chunk() {
        Some(([0, a, b, c, d], datum)) => Ok((u32::from_be_bytes([*a, *b, *c, *d]), datum)),
        _ => Err(DatumError::NotAvro),
    }
}

/// Avro schema with which data are decoded.
#[derive(Debug)]
pub struct AvroSchema {
    schema: Schema,
}

impl AvroSchema {
    /// Parses a schema.
    ///
    /// # Errors
    /// The text is no Avro schema.
    pub fn parse(text: &str) -> Result<Self, DatumError> {
        Ok(Self {
            schema: Schema::parse_str(text)?,
        })
    }

    /// Decodes a datum, which is behind the id of its schema.
    ///
    /// # Errors
    /// The datum does not match the schema.
    pub fn decode(&self, datum: &[u8]) -> Result<Value, DatumError> {
        let mut rest = datum;
        let value = GenericDatumReader::builder(&self.schema)
            .build()?
            .read_value(&mut rest)?;
        match rest.len() {
            0 => Ok(Value::from(value)),
            bytes => Err(DatumError::Longer { bytes }),
        }
    }
}

/// Decodes JSON. Of an object of schema and payload, it is the payload.
///
/// # Errors
/// The bytes are not JSON.
pub fn decode_json(bytes: &[u8], has_schema: bool) -> Result<Value, DatumError> {
    let mut json: Json = serde_json::from_slice(bytes).map_err(DatumError::Json)?;
    if has_schema && let Some(payload) = json.get_mut("payload") {
        json = payload.take();
    }
    Ok(Value::from(json))
}

/// Defaults of the fields of the record that `path` leads to, by name.
pub(crate) fn defaults(schema: &str, path: Option<&str>) -> Vec<(String, Value)> {
    let Ok(json) = serde_json::from_str::<Json>(schema) else {
        return Vec::new();
    };
    let record = match path {
        None => Some(&json),
        Some(name) => fields(&json)
            .find(|field| field.get("name").and_then(Json::as_str) == Some(name))
            .and_then(|field| record_of(field.get("type")?)),
    };
    let found = record.into_iter().flat_map(fields).filter_map(|field| {
        let name = field.get("name")?.as_str()?;
        let default = field.get("default").filter(|default| !default.is_null())?;
        let is_bytes = has_type(field.get("type")?, "bytes");
        let value = match default.as_str().filter(|_| is_bytes) {
            // A character for each byte.
            Some(text) => Value::Bytes(
                text.chars()
                    .map(|character| u8::try_from(u32::from(character)).unwrap_or_default())
                    .collect(),
            ),
            None => Value::from(default.clone()),
        };
        Some((name.to_owned(), value))
    });
    found.collect()
}

fn fields(record: &Json) -> impl Iterator<Item = &Json> {
    record
        .get("fields")
        .and_then(Json::as_array)
        .into_iter()
        .flatten()
}

/// The record in a type, which may be one of a union.
fn record_of(of: &Json) -> Option<&Json> {
    match of {
        Json::Array(variants) => variants.iter().find_map(record_of),
        Json::Object(object) if object.contains_key("fields") => Some(of),
        _ => None,
    }
}

fn has_type(of: &Json, name: &str) -> bool {
    match of {
        Json::String(text) => text == name,
        Json::Array(variants) => variants.iter().any(|variant| has_type(variant, name)),
        Json::Object(object) => object.get("type").is_some_and(|inner| has_type(inner, name)),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ENVELOPE: &str = r#"{"type":"record","name":"Envelope","namespace":"t","fields":[
        {"name":"before","type":["null",{"type":"record","name":"Value","fields":[
            {"name":"id","type":"int"},
            {"name":"level","type":["int","null"],"default":5},
            {"name":"price","type":[{"type":"bytes","logicalType":"decimal","precision":4,"scale":2},"null"],"default":"\u0001\u00f4"},
            {"name":"note","type":["null","string"],"default":null}]}],"default":null},
        {"name":"after","type":["null","Value"],"default":null}]}"#;

    #[test]
    fn a_datum_is_decoded_by_its_schema() {
        let schema = AvroSchema::parse(ENVELOPE).unwrap();
        let bytes = [0, 0, 0, 1, 2, 0, 2, 14, 0, 10, 2, 2, 2, b'x'];
        let (id, datum) = split(&bytes).unwrap();
        assert_eq!(id, 258);
        let value = schema.decode(datum).unwrap();
        let after = value.get("after").unwrap();
        assert_eq!(after.get("id"), Some(&Value::Int(7)));
        assert_eq!(after.get("level"), Some(&Value::Int(5)));
        assert_eq!(after.get("note"), Some(&Value::Text("x".to_owned())));
        assert_eq!(value.get("before"), None);
        assert!(split(b"{}").is_err());
        assert!(schema.decode(&[2]).is_err());
        let longer = [datum, &[0]].concat();
        assert!(matches!(
            schema.decode(&longer),
            Err(DatumError::Longer { bytes: 1 })
        ));
    }

    #[test]
    fn the_payload_is_taken_out() {
        let id = |value: &Value| value.get("id").cloned();
        let plain = decode_json(br#"{"id":1}"#, false).unwrap();
        let with_schema = decode_json(br#"{"schema":{},"payload":{"id":1}}"#, true).unwrap();
        assert_eq!(id(&plain), Some(Value::Int(1)));
        assert_eq!(plain, with_schema);
        assert!(decode_json(b"{", false).is_err());
    }

    #[test]
    fn defaults_are_those_of_the_row() {
        let found = defaults(ENVELOPE, Some("before"));
        assert_eq!(
            found,
            [
                ("level".to_owned(), Value::Int(5)),
                ("price".to_owned(), Value::Bytes(vec![1, 0xF4])),
            ]
        );
        assert_eq!(defaults(ENVELOPE, None), []);
    }
}
