//! Decoding of the records of topics: Avro with the schemas of the registry, or JSON.

use std::collections::HashMap;

use anyhow::Context;
use walcast_kafka::{Registry, SchemaId, TopicRecord};
use walcast_mapper::config::{Encoding, Shape};
use walcast_verify::{AvroSchema, DatumError, Place, RecordPlace, Value, decode_json, split};

use crate::config::Config;

/// Header with the identity of a record.
const IDENTITY: &str = "walcast.id";

/// Number of schemas that are remembered: bytes of foreign records can look like any id.
const SCHEMAS_MAX: usize = 10_000;

/// Decoder of keys and values.
pub(super) struct RecordDecoder {
    registry: Option<Registry>,
    key: Encoding,
    value: Encoding,
    pub(super) shape: Shape,
    /// Schemas by id; `None`: the registry has none.
    schemas: HashMap<u32, Option<AvroSchema>>,
}

/// Record with its key and value.
pub(super) struct DecodedRecord {
    pub(super) place: RecordPlace,
    /// Header `walcast.id`.
    pub(super) id: Option<String>,
    pub(super) position: Option<Place>,
    pub(super) key: Option<Value>,
    /// `None`: a tombstone.
    pub(super) value: Option<Value>,
}

impl RecordDecoder {
    pub(super) fn new(config: &Config) -> anyhow::Result<Self> {
        Ok(Self {
            registry: config.registry.as_ref().map(Registry::new).transpose()?,
            key: config.mapper.key,
            value: match config.mapper.shape {
                // In Avro there are none.
                Shape::CloudEvents if config.mapper.value == Encoding::Avro => Encoding::Json,
                _ => config.mapper.value,
            },
            shape: config.mapper.shape,
            schemas: HashMap::new(),
        })
    }

    /// Decodes a record; `None` if its bytes are not what the connector writes.
    pub(super) async fn decode(&mut self, record: &TopicRecord) -> anyhow::Result<Option<DecodedRecord>> {
        let header = record.headers.iter().find(|(name, _)| name == IDENTITY);
        let id = header
            .and_then(|(_, value)| value.as_deref())
            .map(|value| String::from_utf8_lossy(value).into_owned());
        let key = match &record.key {
            None => None,
            Some(bytes) => match self.datum(bytes, self.key).await? {
                Ok(key) => Some(key),
                Err(_) => return Ok(None),
            },
        };
        let value = match &record.value {
            None => None,
            Some(bytes) => match self.datum(bytes, self.value).await? {
                Ok(value) => Some(value),
                Err(_) => return Ok(None),
            },
        };
        Ok(Some(DecodedRecord {
            place: RecordPlace {
                partition: record.partition,
                offset: record.offset,
            },
            position: id.as_deref().and_then(Place::parse),
            id,
            key,
            value,
        }))
    }

    async fn datum(&mut self, bytes: &[u8], encoding: Encoding) -> anyhow::Result<Result<Value, DatumError>> {
        match encoding {
            Encoding::Json => Ok(decode_json(bytes, false)),
            Encoding::JsonSchema => Ok(decode_json(bytes, true)),
            Encoding::Avro => {
                let (id, datum) = match split(bytes) {
                    Ok(split) => split,
                    Err(error) => return Ok(Err(error)),
                };
                Ok(match self.schema(id).await? {
                    Some(schema) => schema.decode(datum),
                    None => Err(DatumError::NotAvro),
                })
            }
        }
    }

    async fn schema(&mut self, id: u32) -> anyhow::Result<Option<&AvroSchema>> {
        if !self.schemas.contains_key(&id) {
            let registry = self.registry.as_ref();
            let registry = registry.context("no schema registry is configured")?;
            let text = registry.schema_by_id(SchemaId::new(id)).await?;
            let schema = text.and_then(|text| AvroSchema::parse(&text).ok());
            if self.schemas.len() >= SCHEMAS_MAX {
                self.schemas.clear();
            }
            self.schemas.insert(id, schema);
        }
        Ok(self.schemas.get(&id).and_then(Option::as_ref))
    }
}
