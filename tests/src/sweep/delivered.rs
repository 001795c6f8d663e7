//! What a consumer finds in the topics of a connector.

use std::collections::BTreeMap;

use serde_json::{Map, Value};
use walcast_testbed::{RawRecord, TreeDecoder, read_topic, topic_names};

/// A record of a topic.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Record {
    /// Topic and offset.
    pub(super) place: String,
    /// What it says.
    pub(super) op: Op,
    /// Transaction, where the record belongs to one.
    pub(super) xid: Option<i64>,
    /// Commit position of the change, or position of the snapshot.
    pub(super) position: u64,
    /// Identity of the row.
    pub(super) id: Option<i64>,
    /// The key; `None` if the record has none.
    pub(super) key: Option<Map<String, Value>>,
    /// The row after the change; before it, for a delete.
    pub(super) row: Map<String, Value>,
}

/// What a record says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Op {
    Create,
    Update,
    Delete,
    Read,
    Tombstone,
}

/// Records by table, in the order of each topic.
pub(super) type Delivered = BTreeMap<String, Vec<Record>>;

/// Reads the topics of a connector of this name.
pub(super) async fn read(brokers: &str, registry: &str, name: &str) -> Delivered {
    let mut decoder = TreeDecoder::new(registry).unwrap();
    let prefix = format!("{name}.");
    let mut delivered = Delivered::new();
    for topic in topic_names(brokers).await.unwrap() {
        let Some(table) = topic.strip_prefix(&prefix) else {
            continue;
        };
        if table.starts_with("walcast-") {
            continue;
        }
        let mut records = Vec::new();
        for raw in read_topic(brokers, &topic).await.unwrap() {
            records.push(decode(&mut decoder, &raw).await);
        }
        delivered.insert(table.to_owned(), records);
    }
    delivered
}

async fn decode(decoder: &mut TreeDecoder, raw: &RawRecord) -> Record {
    let place = format!("{}@{}", raw.topic, raw.offset);
    let failed = |error| panic!("{place}: {error}");
    let key = match &raw.key {
        Some(bytes) => Some(object(&decoder.decode(bytes).await.unwrap_or_else(failed).value)),
        None => None,
    };
    let value = match &raw.value {
        Some(bytes) => decoder.decode(bytes).await.unwrap_or_else(failed).value,
        None => Value::Null,
    };
    let op = match value["op"].as_str() {
        None if value.is_null() => Op::Tombstone,
        Some("c") => Op::Create,
        Some("u") => Op::Update,
        Some("d") => Op::Delete,
        Some("r") => Op::Read,
        _ => panic!("{place}: {value}"),
    };
    let row = match op {
        Op::Delete => &value["before"],
        _ => &value["after"],
    };
    let row = object(row);
    let snapshot = value["source"]["lsn"].as_u64().unwrap_or_default();
    Record {
        op,
        xid: value["source"]["txId"].as_i64(),
        position: match op {
            Op::Read => snapshot,
            _ => raw.change_id().map_or(0, |id| id.commit_lsn),
        },
        id: row
            .get("id")
            .or_else(|| key.as_ref()?.get("id"))
            .and_then(Value::as_i64),
        key,
        row,
        place,
    }
}

fn object(value: &Value) -> Map<String, Value> {
    value.as_object().cloned().unwrap_or_default()
}
