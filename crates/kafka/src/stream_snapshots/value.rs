//! Values of events as texts in JSON, and states in the form of the events: a snapshot has the schema of the last event of its stream.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use walcast_mapper::SchemaId;
use walcast_mapper::config::Encoding;

use super::error::{FoldProblem, StreamSnapshotError};
use crate::registry::Registry;

/// First byte of a value with the id of a schema.
const MAGIC: u8 = 0;

/// Bytes before the body of such a value.
const ID_BYTES: usize = 4;

/// Encoding of values, with the schemas that were seen.
pub(super) struct Values {
    encoding: Encoding,
    registry: Option<Registry>,
    schemas: HashMap<u32, TextSchema>,
}

/// How a schema writes a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum TextSchema {
    /// The schema is a string.
    Plain,
    /// The schema is a union of two, of which this one is a string and the other is null.
    Nullable(u8),
    /// The schema is another one.
    Other,
}

/// What surrounds the text of a value.
#[derive(Debug)]
pub(super) enum Form {
    /// Bytes before the length of the text.
    Avro(Vec<u8>),
    /// A string in JSON.
    Json,
    /// An object of `schema` and `payload`.
    JsonSchema(Box<RawValue>),
}

#[derive(Serialize, Deserialize)]
struct WithSchema {
    schema: Box<RawValue>,
    payload: Box<RawValue>,
}

impl Values {
    pub(super) fn new(encoding: Encoding, registry: Option<Registry>) -> Self {
        Self {
            encoding,
            registry,
            schemas: HashMap::new(),
        }
    }

    /// Looks up the schema of a value, unless it is known.
    pub(super) async fn look_up(&mut self, value: &[u8]) -> Result<(), StreamSnapshotError> {
        let (Encoding::Avro, Some(id), Some(registry)) = (self.encoding, schema_id(value), &self.registry)
        else {
            return Ok(());
        };
        if let Entry::Vacant(free) = self.schemas.entry(id) {
            let schema = registry.schema_by_id(SchemaId::new(id)).await?;
            free.insert(schema.map_or(TextSchema::Other, |schema| text_schema(&schema)));
        }
        Ok(())
    }

    /// Form and text of a value whose schema was looked up.
    pub(super) fn open(&self, value: &[u8]) -> Result<(Form, String), FoldProblem> {
        let opened = match self.encoding {
            Encoding::Avro => self.open_avro(value),
            Encoding::Json => serde_json::from_slice(value).ok().map(|text| (Form::Json, text)),
            Encoding::JsonSchema => open_json_schema(value),
        };
        opened.ok_or(FoldProblem::NotText)
    }

    fn open_avro(&self, value: &[u8]) -> Option<(Form, String)> {
        let schema = self.schemas.get(&schema_id(value)?)?;
        let mut prefix = ID_BYTES + 1;
        match schema {
            TextSchema::Plain => {}
            TextSchema::Nullable(index) => {
                // An index is a long of one byte.
                if *value.get(prefix)? != index * 2 {
                    return None;
                }
                prefix += 1;
            }
            TextSchema::Other => return None,
        }
        let (length, text) = read_length(value.get(prefix..)?)?;
        let text = String::from_utf8(text.to_vec()).ok()?;
        if length != text.len() {
            return None;
        }
        Some((Form::Avro(value.get(..prefix)?.to_vec()), text))
    }
}

impl Form {
    /// Value with another text in the same form.
    pub(super) fn close(self, text: &str) -> Result<Vec<u8>, FoldProblem> {
        let json = |text: &str| serde_json::to_string(text).map_err(|_| FoldProblem::NotText);
        match self {
            Self::Avro(mut value) => {
                write_length(text.len(), &mut value);
                value.extend_from_slice(text.as_bytes());
                Ok(value)
            }
            Self::Json => Ok(json(text)?.into_bytes()),
            Self::JsonSchema(schema) => {
                let payload = RawValue::from_string(json(text)?).map_err(|_| FoldProblem::NotText)?;
                serde_json::to_vec(&WithSchema { schema, payload }).map_err(|_| FoldProblem::NotText)
            }
        }
    }
}

fn open_json_schema(value: &[u8]) -> Option<(Form, String)> {
    let WithSchema { schema, payload } = serde_json::from_slice(value).ok()?;
    let text = serde_json::from_str(payload.get()).ok()?;
    Some((Form::JsonSchema(schema), text))
}

fn schema_id(value: &[u8]) -> Option<u32> {
    let (magic, rest) = value.split_first()?;
    let id = rest.first_chunk::<ID_BYTES>()?;
    (*magic == MAGIC).then(|| u32::from_be_bytes(*id))
}

fn text_schema(schema: &str) -> TextSchema {
    let is = |schema: &serde_json::Value, name: &str| {
        let named = schema.get("type").unwrap_or(schema);
        named.as_str() == Some(name)
    };
    match serde_json::from_str(schema) {
        Ok(serde_json::Value::Array(union)) => match union.as_slice() {
            [first, second] if is(first, "null") && is(second, "string") => TextSchema::Nullable(1),
            [first, second] if is(first, "string") && is(second, "null") => TextSchema::Nullable(0),
            _ => TextSchema::Other,
        },
        Ok(schema) if is(&schema, "string") => TextSchema::Plain,
        Ok(_) | Err(_) => TextSchema::Other,
    }
}

/// Length of a text in Avro, and the bytes behind it; `None` for a negative one.
fn read_length(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let (mut number, mut shift) = (0_u64, 0_u32);
    for (place, byte) in bytes.iter().enumerate() {
        number |= u64::from(byte & 0x7f).checked_shl(shift)?;
        if byte & 0x80 == 0 {
            let is_negative = number & 1 == 1;
            let length = usize::try_from(number >> 1).ok().filter(|_| !is_negative)?;
            return Some((length, bytes.get(place + 1..)?));
        }
        shift += 7;
    }
    None
}

fn write_length(length: usize, out: &mut Vec<u8>) {
    let mut rest = u64::try_from(length).unwrap_or(u64::MAX >> 1) << 1;
    loop {
        let [low, ..] = rest.to_le_bytes();
        rest >>= 7;
        if rest == 0 {
            out.push(low & 0x7f);
            return;
        }
        out.push(low | 0x80);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Values in Avro under schema 1, with this text.
    fn values(schema: &str) -> Values {
        let mut values = Values::new(Encoding::Avro, None);
        values.schemas.insert(1, text_schema(schema));
        values
    }

    #[test]
    fn avro_texts_are_replaced_under_their_schema() {
        let json = r#"{"type":"string","connect.version":1,"connect.name":"io.debezium.data.Json"}"#;
        for (schema, head) in [
            ("\"string\"".to_owned(), vec![0, 0, 0, 0, 1]),
            (json.to_owned(), vec![0, 0, 0, 0, 1]),
            (format!("[\"null\",{json}]"), vec![0, 0, 0, 0, 1, 2]),
            (format!("[{json},\"null\"]"), vec![0, 0, 0, 0, 1, 0]),
        ] {
            let value = [head.as_slice(), &[4], b"{}"].concat();
            let (form, text) = values(&schema).open(&value).unwrap();
            assert_eq!(text, "{}");
            let long = "x".repeat(100);
            // 100 in zigzag is 200, whose lower seven bits come first.
            let expected = [head.as_slice(), &[0xc8, 0x01], long.as_bytes()].concat();
            assert_eq!(form.close(&long).unwrap(), expected, "{schema}");
        }
    }

    #[test]
    fn other_avro_values_are_no_texts() {
        for (schema, value) in [
            (r#"{"type":"record","name":"a","fields":[]}"#, vec![0, 0, 0, 0, 1]),
            ("\"bytes\"", vec![0, 0, 0, 0, 1, 0]),
            // A null of a union, a text that is too short, bytes behind it, another schema, no schema.
            ("[\"null\",\"string\"]", vec![0, 0, 0, 0, 1, 0]),
            ("\"string\"", vec![0, 0, 0, 0, 1, 4, 1]),
            ("\"string\"", vec![0, 0, 0, 0, 1, 0, 1]),
            ("\"string\"", vec![0, 0, 0, 0, 2, 0]),
            ("\"string\"", vec![1]),
            (
                "\"string\"",
                vec![
                    0, 0, 0, 0, 1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1,
                ],
            ),
        ] {
            let opened = values(schema).open(&value);
            assert_eq!(opened.unwrap_err(), FoldProblem::NotText, "{schema} {value:?}");
        }
    }

    #[test]
    fn json_texts_are_replaced_in_their_form() {
        let replaced = |encoding, value: &str| {
            let opened = Values::new(encoding, None).open(value.as_bytes());
            opened.map(|(form, text)| (text, String::from_utf8(form.close("{\"b\":2}").unwrap()).unwrap()))
        };
        let text = "{\"a\":1}".to_owned();
        assert_eq!(
            replaced(Encoding::Json, r#""{\"a\":1}""#),
            Ok((text.clone(), r#""{\"b\":2}""#.to_owned()))
        );
        assert_eq!(
            replaced(
                Encoding::JsonSchema,
                r#"{"schema":{"type":"string"},"payload":"{\"a\":1}"}"#
            ),
            Ok((
                text,
                r#"{"schema":{"type":"string"},"payload":"{\"b\":2}"}"#.to_owned()
            ))
        );
        for (encoding, value) in [
            (Encoding::Json, "{}"),
            (Encoding::Json, "x"),
            (Encoding::JsonSchema, r#"{"schema":null,"payload":{}}"#),
            (Encoding::JsonSchema, r#""{}""#),
        ] {
            assert_eq!(replaced(encoding, value), Err(FoldProblem::NotText), "{value}");
        }
    }
}
