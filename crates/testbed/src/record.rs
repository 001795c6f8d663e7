//! Decodes records with an independent Avro library and the registry, as a consumer would.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use apache_avro::types::Value;
use serde_json::json;

use crate::avro::ParsedSchema;
use crate::cell::Cells;
use crate::change_id::{CHANGE_ID_HEADER, ChangeId};
use crate::consumer::RawRecord;
use crate::error::{Error, Result};

/// How long the registry may take to hand out a schema.
const REGISTRY_LIMIT: Duration = Duration::from_secs(20);

/// A record of a change topic in Debezium's envelope.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// Its topic.
    pub topic: String,
    /// Its partition.
    pub partition: i32,
    /// Its offset.
    pub offset: i64,
    /// Which change it belongs to; `None` if it carries no readable identity.
    pub id: Option<ChangeId>,
    /// Key columns; `None` for a table without key.
    pub key: Option<Cells>,
    /// What it says.
    pub payload: Payload,
}

/// What a record says.
#[derive(Clone, Debug, PartialEq)]
pub enum Payload {
    /// A value in Debezium's envelope.
    Change(Change),
    /// No value: the key is gone.
    Tombstone,
}

/// The envelope.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// `c`, `u`, `d`, `r` (snapshot), `t` (truncate), `m` (message).
    pub op: String,
    /// The row before, as far as it is known.
    pub before: Option<Cells>,
    /// The row after.
    pub after: Option<Cells>,
    /// Where it comes from: LSN, transaction, commit time and more.
    pub source: Cells,
}

impl Record {
    /// The decoded record as JSON, to show to a person: topic, place, identity, key and envelope; `value` is null for a tombstone.
    pub fn to_json(&self) -> serde_json::Value {
        let row = |cells: &Option<Cells>| cells.as_ref().map(json_row);
        let value = match &self.payload {
            Payload::Tombstone => serde_json::Value::Null,
            Payload::Change(change) => json!({
                "before": row(&change.before),
                "after": row(&change.after),
                "source": json_row(&change.source),
                "op": change.op,
            }),
        };
        json!({
            "topic": self.topic,
            "partition": self.partition,
            "offset": self.offset,
            CHANGE_ID_HEADER: self.id.map(|id| id.to_string()),
            "key": row(&self.key),
            "value": value,
        })
    }
}

fn json_row(cells: &Cells) -> serde_json::Value {
    cells
        .iter()
        .map(|(name, cell)| (name.clone(), cell.to_json()))
        .collect()
}

/// Decodes records, fetching each schema once.
#[derive(Debug)]
pub struct Decoder {
    registry: String,
    client: reqwest::Client,
    schemas: HashMap<u32, Arc<ParsedSchema>>,
}

impl Decoder {
    /// A decoder that asks the registry at this base URL (Confluent's API).
    ///
    /// # Errors
    /// When no HTTP client can be set up.
    pub fn new(registry: &str) -> Result<Decoder> {
        let failed = |source| Error::Http {
            url: registry.to_owned(),
            source,
        };
        let client = reqwest::Client::builder()
            .no_proxy()
            .timeout(REGISTRY_LIMIT)
            .build()
            .map_err(failed)?;
        Ok(Decoder {
            registry: registry.to_owned(),
            client,
            schemas: HashMap::new(),
        })
    }

    /// Decodes key and value of one record.
    ///
    /// # Errors
    /// [`Error::Record`] when bytes and schema disagree or the value is no envelope; [`Error::Http`] when the registry fails.
    pub async fn decode(&mut self, raw: &RawRecord) -> Result<Record> {
        let malformed = |problem: String| malformed(raw, problem);
        let key = match &raw.key {
            None => None,
            Some(bytes) => {
                let (schema, value) = self.datum(raw, bytes).await?;
                Some(
                    schema
                        .cells(&value, &schema.schema)
                        .ok_or_else(|| malformed("the key is no record".to_owned()))?,
                )
            }
        };
        let payload = match &raw.value {
            None => Payload::Tombstone,
            Some(bytes) => {
                let (schema, value) = self.datum(raw, bytes).await?;
                Payload::Change(change(&value, &schema).map_err(|problem| malformed(problem.to_owned()))?)
            }
        };
        let (topic, partition, offset) = (raw.topic.clone(), raw.partition, raw.offset);
        Ok(Record {
            topic,
            partition,
            offset,
            id: raw.change_id(),
            key,
            payload,
        })
    }

    /// Decodes all records in order.
    ///
    /// # Errors
    /// The first failure of [`decode`](Decoder::decode).
    pub async fn decode_all(&mut self, raw: &[RawRecord]) -> Result<Vec<Record>> {
        let mut records = Vec::with_capacity(raw.len());
        for record in raw {
            records.push(self.decode(record).await?);
        }
        Ok(records)
    }

    /// The wire format: a zero byte, the schema's id (four bytes, big end first), the Avro bytes to the end.
    async fn datum(&mut self, raw: &RawRecord, bytes: &[u8]) -> Result<(Arc<ParsedSchema>, Value)> {
        let Some((&[0, a, b, c, d], mut body)) = bytes.split_first_chunk::<5>() else {
            return Err(malformed(
                raw,
                "it does not begin with a zero byte and a schema id".to_owned(),
            ));
        };
        let schema = self.schema(u32::from_be_bytes([a, b, c, d])).await?;
        let value = schema
            .read(&mut body)
            .map_err(|error| malformed(raw, format!("it is not what its schema says: {error}")))?;
        if !body.is_empty() {
            return Err(malformed(raw, format!("{} bytes follow the datum", body.len())));
        }
        Ok((schema, value))
    }

    async fn schema(&mut self, id: u32) -> Result<Arc<ParsedSchema>> {
        if let Some(schema) = self.schemas.get(&id) {
            return Ok(Arc::clone(schema));
        }
        let url = format!("{}/schemas/ids/{id}", self.registry);
        let failed = |source| Error::Http {
            url: url.clone(),
            source,
        };
        let response = self
            .client
            .get(&url)
            .send()
            .await
            .map_err(failed)?
            .error_for_status()
            .map_err(failed)?;
        let answer: Answer = response.json().await.map_err(failed)?;
        let schema = ParsedSchema::parse(&answer.schema);
        let schema = Arc::new(schema.map_err(|error| Error::Schema {
            id,
            source: Box::new(error),
        })?);
        self.schemas.insert(id, Arc::clone(&schema));
        Ok(schema)
    }
}

#[derive(serde::Deserialize)]
struct Answer {
    schema: String,
}

fn malformed(raw: &RawRecord, problem: String) -> Error {
    Error::Record {
        topic: raw.topic.clone(),
        partition: raw.partition,
        offset: raw.offset,
        problem,
    }
}

fn change(value: &Value, schema: &ParsedSchema) -> std::result::Result<Change, &'static str> {
    let part = |name: &str| {
        schema
            .field(value, name)
            .and_then(|(value, schema_of)| schema.cells(value, schema_of))
    };
    let Some((Value::String(op), _)) = schema.field(value, "op") else {
        return Err("the value is no envelope with an op");
    };
    let source = part("source").ok_or("the envelope has no source")?;
    Ok(Change {
        op: op.clone(),
        before: part("before"),
        after: part("after"),
        source,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cell::Cell;

    #[test]
    fn a_record_is_shown_as_json() {
        let key = Some(Cells::from([("id".to_owned(), Cell::Integer(7))]));
        let id = Some(ChangeId {
            commit_lsn: 1,
            ordinal: 2,
            part: 1,
        });
        let mut record = Record {
            topic: "t".into(),
            partition: 0,
            offset: 5,
            id,
            key,
            payload: Payload::Tombstone,
        };
        let expected =
            r#"{"topic":"t","partition":0,"offset":5,"walcast.id":"0/1/2.1","key":{"id":7},"value":null}"#;
        assert_eq!(record.to_json().to_string(), expected);

        let after = Some(Cells::from([("total".to_owned(), Cell::Decimal("1.50".into()))]));
        record.payload = Payload::Change(Change {
            op: "c".into(),
            before: None,
            after,
            source: Cells::new(),
        });
        let expected = r#"{"before":null,"after":{"total":"1.50"},"source":{},"op":"c"}"#;
        assert_eq!(record.to_json()["value"].to_string(), expected);
    }
}
