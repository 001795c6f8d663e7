//! Decoder of records: bytes of any encoding become a [`Record`].

use std::sync::Arc;

use walcast_kafka::{Registry, SchemaId, SubjectVersion, TopicRecord};

use crate::avro;
use crate::envelope::{self, Marks};
use crate::error::TopicsError;
use crate::json;
use crate::record::{Content, Header, Record, RecordSchemas};
use crate::schemas::Schemas;
use crate::settings::Settings;
use crate::value::Value;
use crate::walcast_id::WALCAST_ID;

/// Decoder of records. It finds the encoding of each key and value in the bytes themselves, so that a topic may hold records of
/// several formats, and looks every schema up once.
#[derive(Debug)]
pub struct Decoder {
    schemas: Schemas,
    settings: Settings,
}

/// Header that only dead letters have.
const REASON: &str = "walcast.reason";

/// Value with the id of its schema, or the reason for which it cannot be decoded.
type Datum = Result<(Value, Option<SchemaId>), String>;

impl Decoder {
    /// Creates a decoder. Without a registry Avro records are foreign.
    #[must_use]
    pub fn new(registry: Option<Registry>, settings: Settings) -> Self {
        Self {
            schemas: Schemas::new(registry),
            settings,
        }
    }

    /// Format of the records.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Decodes a record of a topic.
    ///
    /// # Errors
    /// The registry does not answer or denies access. A record that cannot be decoded is [`Content::Foreign`].
    pub async fn decode(&mut self, topic: &Arc<str>, raw: TopicRecord) -> Result<Record, TopicsError> {
        let headers: Vec<Header> = raw
            .headers
            .into_iter()
            .map(|(name, value)| Header {
                name,
                value: value.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()),
            })
            .collect();
        let header = |name: &str| headers.iter().find(|header| header.name == name);
        let id = header(WALCAST_ID)
            .and_then(|header| header.value.as_deref())
            .and_then(|value| value.parse().ok());
        let marks = Marks {
            id,
            has_reason: header(REASON).is_some(),
        };
        let mut schemas = RecordSchemas::default();
        let mut unreadable_key = None;
        let key = match raw.key {
            None => None,
            Some(bytes) => match self.datum(&bytes).await? {
                Ok((value, schema)) => {
                    schemas.key = schema;
                    Some(value)
                }
                Err(reason) => {
                    unreadable_key = Some(reason);
                    None
                }
            },
        };
        let content = match (raw.value, unreadable_key) {
            // The key of a dead letter is a text.
            (Some(bytes), _) if marks.has_reason => self.content(&bytes, marks, &mut schemas).await?,
            (_, Some(reason)) => Content::Foreign {
                reason: format!("the key cannot be decoded: {reason}"),
            },
            (None, None) => Content::Tombstone,
            (Some(bytes), None) => self.content(&bytes, marks, &mut schemas).await?,
        };
        Ok(Record {
            topic: Arc::clone(topic),
            partition: raw.partition,
            offset: raw.offset,
            timestamp: raw.timestamp,
            headers,
            id,
            key,
            schemas,
            content,
        })
    }

    /// Versions of a subject with their schemas, the first version first. Empty without a registry or if the subject does not exist.
    ///
    /// # Errors
    /// The registry does not answer or denies access.
    pub async fn versions(&self, subject: &str) -> Result<Vec<SubjectVersion>, TopicsError> {
        self.schemas.versions(subject).await
    }

    async fn content(
        &mut self,
        bytes: &[u8],
        marks: Marks,
        schemas: &mut RecordSchemas,
    ) -> Result<Content, TopicsError> {
        Ok(match self.datum(bytes).await? {
            Ok((value, schema)) => {
                schemas.value = schema;
                envelope::content(value, marks, &self.settings)
            }
            Err(reason) => Content::Foreign {
                reason: format!("the value cannot be decoded: {reason}"),
            },
        })
    }

    async fn datum(&mut self, bytes: &[u8]) -> Result<Datum, TopicsError> {
        let Some((id, datum)) = avro::split(bytes) else {
            return Ok(json::decode(bytes).map(|value| (value, None)));
        };
        let schema = self.schemas.by_id(id).await?;
        Ok(schema.and_then(|schema| Ok((schema.decode(datum)?, Some(SchemaId::new(id))))))
    }
}
