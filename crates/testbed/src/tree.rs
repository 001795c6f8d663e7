//! Keys and values as trees, whatever is in them: to be compared, not to be understood.
//!
//! Avro is read with the writer's schema by the independent library; logical types and defaults are left aside, so that every
//! schema can be read and a tree shows what is in the bytes. Whether two schemas say the same is seen from the schemas.

use std::collections::HashMap;
use std::fmt::Write;
use std::time::Duration;

use apache_avro::Schema;
use apache_avro::reader::datum::GenericDatumReader;
use apache_avro::types::Value as Avro;
use serde_json::{Map, Value, json};

use crate::error::{Error, Result};

/// How long the registry may take to hand out a schema.
const REGISTRY_LIMIT: Duration = Duration::from_secs(20);

/// More than any subject has here.
const VERSIONS_MAX: u32 = 100;

/// The first byte of what begins with a schema's id, as Confluent's serializers write it.
const MAGIC: u8 = 0;

/// A decoded key or value.
#[derive(Clone, Debug, PartialEq)]
pub struct Tree {
    /// Id of the schema it was written with; `None` for what is not Avro.
    pub schema: Option<u32>,
    /// Records as objects; bytes as text in hexadecimal with `\x` before it; floats as text, since JSON has no `NaN`.
    pub value: Value,
}

/// A version of a subject.
#[derive(Clone, Debug, PartialEq)]
pub struct SubjectVersion {
    /// Id of the schema.
    pub id: u32,
    /// The schema.
    pub schema: Value,
}

/// Reads bytes into trees, fetching each schema once, and the versions of subjects.
#[derive(Debug)]
pub struct TreeDecoder {
    registry: String,
    client: reqwest::Client,
    schemas: HashMap<u32, Schema>,
}

impl TreeDecoder {
    /// A decoder that asks the registry at this base URL (Confluent's API, as [`Registry::url`](crate::Registry::url) has it).
    ///
    /// # Errors
    /// When no HTTP client can be set up.
    pub fn new(registry: &str) -> Result<TreeDecoder> {
        let client = reqwest::Client::builder()
            .no_proxy()
            .timeout(REGISTRY_LIMIT)
            .build();
        Ok(TreeDecoder {
            registry: registry.to_owned(),
            client: client.map_err(|source| Error::Http {
                url: registry.to_owned(),
                source,
            })?,
            schemas: HashMap::new(),
        })
    }

    /// Avro with a schema's id before it, else JSON, else text, else bytes.
    ///
    /// # Errors
    /// When the registry does not know the schema, or the bytes do not fit it.
    pub async fn decode(&mut self, bytes: &[u8]) -> Result<Tree> {
        let Some((id, body)) = split_id(bytes) else {
            return Ok(Tree {
                schema: None,
                value: without_schema(bytes),
            });
        };
        if !self.schemas.contains_key(&id) {
            let schema = self.fetch(id).await?;
            self.schemas.insert(id, schema);
        }
        let value = read(&self.schemas[&id], body).map_err(|source| Error::Datum {
            id,
            source: Box::new(source),
        })?;
        Ok(Tree {
            schema: Some(id),
            value,
        })
    }

    async fn fetch(&self, id: u32) -> Result<Schema> {
        let text = self.schema_text(id).await?;
        parse(&text).map_err(|source| Error::Schema {
            id,
            source: Box::new(source),
        })
    }

    /// By the registry's own API: Confluent's does not hand out what it would not have taken, such as a schema with the
    /// default `{}`, which Kafka Connect's converter registers by the registry's own.
    async fn schema_text(&self, id: u32) -> Result<String> {
        let url = format!("{}/ids/contentIds/{id}", self.own_api());
        let Some(answer) = self.get(&url).await? else {
            return Ok(String::new());
        };
        answer.text().await.map_err(|source| Error::Http { url, source })
    }

    fn own_api(&self) -> String {
        let base = self.registry.strip_suffix("/apis/ccompat/v7");
        format!("{}/apis/registry/v2", base.unwrap_or(&self.registry))
    }

    /// The versions of a subject, oldest first; none when nothing was registered under it.
    ///
    /// # Errors
    /// When the registry does not answer.
    pub async fn versions(&self, subject: &str) -> Result<Vec<SubjectVersion>> {
        let url = format!(
            "{}/groups/default/artifacts/{subject}/versions?limit={VERSIONS_MAX}",
            self.own_api()
        );
        let Some(answer) = self.get(&url).await? else {
            return Ok(Vec::new());
        };
        let answer: Value = answer
            .json()
            .await
            .map_err(|source| Error::Http { url, source })?;
        let number = |version: &Value, name| version[name].as_u64().and_then(|id| u32::try_from(id).ok());
        let mut ids: Vec<(Option<u32>, u32)> = answer["versions"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|version| Some((number(version, "globalId"), number(version, "contentId")?)))
            .collect();
        // Counted up as they are registered.
        ids.sort_unstable();
        let mut versions = Vec::new();
        for (_, id) in ids {
            let schema = self.schema_text(id).await?;
            versions.push(SubjectVersion {
                id,
                // A bare type name is no JSON of its own in some registries.
                schema: serde_json::from_str(&schema).unwrap_or_else(|_| json!(schema)),
            });
        }
        Ok(versions)
    }

    /// A page of the registry, or `None` if there is none.
    async fn get(&self, url: &str) -> Result<Option<reqwest::Response>> {
        let failed = |source| Error::Http {
            url: url.to_owned(),
            source,
        };
        let answer = self.client.get(url).send().await.map_err(failed)?;
        if answer.status() == reqwest::StatusCode::NOT_FOUND {
            return Ok(None);
        }
        answer.error_for_status().map(Some).map_err(failed)
    }
}

fn split_id(bytes: &[u8]) -> Option<(u32, &[u8])> {
    let rest = bytes.strip_prefix(&[MAGIC])?;
    let (id, body) = rest.split_first_chunk()?;
    Some((u32::from_be_bytes(*id), body))
}

fn without_schema(bytes: &[u8]) -> Value {
    match std::str::from_utf8(bytes) {
        Ok(text) => serde_json::from_str(text).unwrap_or_else(|_| json!(text)),
        Err(_) => json!(hex(bytes)),
    }
}

fn parse(text: &str) -> std::result::Result<Schema, apache_avro::Error> {
    let schema = match serde_json::from_str(text) {
        Ok(schema) => bare(schema).to_string(),
        Err(_) => text.to_owned(),
    };
    Schema::parse_str(&schema)
}

/// The schema without what says how a value is meant. The library refuses some of it: defaults that are not finite, decimals
/// with more scale than precision.
fn bare(schema: Value) -> Value {
    match schema {
        Value::Object(object) => object
            .into_iter()
            .filter(|(name, value)| name != "default" && !(name == "logicalType" && value.is_string()))
            .map(|(name, value)| (name, bare(value)))
            .collect::<Map<_, _>>()
            .into(),
        Value::Array(elements) => elements.into_iter().map(bare).collect(),
        other => other,
    }
}

fn read(schema: &Schema, mut body: &[u8]) -> std::result::Result<Value, apache_avro::Error> {
    let value = GenericDatumReader::builder(schema)
        .build()?
        .read_value(&mut body)?;
    let value = tree(value);
    Ok(match body {
        [] => value,
        // Nothing may follow; where something does, both sides show it.
        rest => json!({ "datum": value, "followed by": hex(rest) }),
    })
}

fn tree(value: Avro) -> Value {
    match value {
        Avro::Null => Value::Null,
        Avro::Boolean(value) => json!(value),
        Avro::Int(number) => json!(number),
        Avro::Long(number) => json!(number),
        Avro::Float(number) => json!(format!("{number:?}")),
        Avro::Double(number) => json!(format!("{number:?}")),
        Avro::String(text) | Avro::Enum(_, text) => json!(text),
        Avro::Bytes(bytes) | Avro::Fixed(_, bytes) => json!(hex(&bytes)),
        Avro::Union(_, value) => tree(*value),
        Avro::Array(elements) => elements.into_iter().map(tree).collect(),
        Avro::Map(entries) => {
            let mut entries: Vec<_> = entries.into_iter().collect();
            entries.sort_by(|(left, _), (right, _)| left.cmp(right));
            object(entries)
        }
        Avro::Record(fields) => object(fields),
        // Logical types were left aside.
        other => json!(format!("{other:?}")),
    }
}

fn object(fields: Vec<(String, Avro)>) -> Value {
    let fields = fields.into_iter().map(|(name, value)| (name, tree(value)));
    fields.collect::<Map<_, _>>().into()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold("\\x".to_owned(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("a string takes any text");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_datum_shows_what_is_in_its_bytes() {
        let schema = r#"{"type":"record","name":"Value","fields":[
            {"name":"price","type":{"type":"bytes","logicalType":"decimal","precision":1,"scale":2}},
            {"name":"rate","type":["null",{"type":"double"}],"default":"NaN"},
            {"name":"logicalType","type":"int"}]}"#;
        let schema = parse(schema).unwrap();
        let body = [&[4, 0x04, 0xCE, 2][..], &f64::NAN.to_le_bytes(), &[14]].concat();
        let read_back = json!({ "price": "\\x04ce", "rate": "NaN", "logicalType": 7 });
        assert_eq!(read(&schema, &body).unwrap(), read_back);
        let longer = [&body[..], &[1]].concat();
        assert_eq!(
            read(&schema, &longer).unwrap(),
            json!({ "datum": read_back, "followed by": "\\x01" })
        );
    }

    #[test]
    fn values_without_schema_are_shown_unchanged() {
        assert_eq!(split_id(&[0, 0, 0, 1, 2, 9]), Some((258, &[9][..])));
        assert_eq!(split_id(b"{}"), None);
        assert_eq!(without_schema(br#"{"a": [1]}"#), json!({ "a": [1] }));
        assert_eq!(without_schema(b"plain"), json!("plain"));
        assert_eq!(without_schema(&[0xFF]), json!("\\xff"));
    }
}
