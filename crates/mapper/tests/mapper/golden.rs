//! The recorded output of Debezium 3.3.1 for a stream, and the mapper's output for the same stream.

use std::collections::BTreeMap;

use serde_json::Value;
use walcast_mapper::{
    ChangeContext, ColumnMetadata, MapError, MapperConfig, Ordinal, Plan, RecordBuffer, RowChange, SchemaId,
    SchemaIds, TableMetadata, TypeKind, TypeMetadata,
};
use walcast_pgoutput::{Decoder, Lsn, Message, Oid, PgTimestamp, Relation, Xid};

const DIRECTORY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/debezium-3.3.1");

/// A Kafka record.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Record {
    pub(crate) topic: String,
    pub(crate) key: Option<Vec<u8>>,
    pub(crate) value: Option<Vec<u8>>,
    pub(crate) headers: Vec<(String, String)>,
}

/// The recorded data.
pub(crate) struct Golden {
    pub(crate) schemas: BTreeMap<u32, Value>,
    /// By topic, in the order of the topic.
    pub(crate) records: BTreeMap<String, Vec<Record>>,
    metadata: Value,
    frames: Vec<(Lsn, Vec<u8>)>,
}

/// The mapper's output for the recorded stream.
#[derive(Default)]
pub(crate) struct Ours {
    /// By topic: key and value schema.
    pub(crate) schemas: BTreeMap<String, (Option<Value>, Value)>,
    pub(crate) records: BTreeMap<String, Vec<Record>>,
    /// Changes that could not be mapped.
    pub(crate) errors: Vec<MapError>,
}

/// Local clock during the replay.
pub(crate) const PROCESSED_AT_UNIX_NANOS: i64 = 1_700_000_000_123_456_789;

fn read(name: &str) -> String {
    std::fs::read_to_string(format!("{DIRECTORY}/{name}")).unwrap()
}

pub(crate) fn unhex(text: &str) -> Vec<u8> {
    text.as_bytes()
        .chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}

fn record(line: &str) -> Record {
    let json: Value = serde_json::from_str(line).unwrap();
    let headers = json["headers"].as_array().unwrap().iter();
    let text = |value: &Value| String::from_utf8(unhex(value.as_str().unwrap())).unwrap();
    Record {
        topic: json["topic"].as_str().unwrap().to_owned(),
        key: json["key"].as_str().map(unhex),
        value: json["value"].as_str().map(unhex),
        headers: headers
            .map(|pair| (pair[0].as_str().unwrap().to_owned(), text(&pair[1])))
            .collect(),
    }
}

impl Golden {
    pub(crate) fn load() -> Self {
        let schemas: BTreeMap<String, Value> = serde_json::from_str(&read("schemas.json")).unwrap();
        let mut records: BTreeMap<String, Vec<Record>> = BTreeMap::new();
        for record in read("records.jsonl").lines().map(record) {
            records.entry(record.topic.clone()).or_default().push(record);
        }
        let frames = read("frames.txt");
        let frames = frames.lines().map(|line| {
            let (lsn, bytes) = line.split_once(' ').unwrap();
            (lsn.parse().unwrap(), unhex(bytes))
        });
        Self {
            schemas: schemas
                .into_iter()
                .map(|(id, schema)| (id.parse().unwrap(), schema))
                .collect(),
            records,
            metadata: serde_json::from_str(&read("metadata.json")).unwrap(),
            frames: frames.collect(),
        }
    }

    /// The catalog as recorded with the stream.
    pub(crate) fn metadata(&self, relation: &Relation) -> TableMetadata {
        let number = |value: &Value| value.as_i64().unwrap();
        let oid = |value: &Value| Oid::new(u32::try_from(number(value)).unwrap());
        let modifier = |value: &Value| i32::try_from(number(value)).unwrap();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let tables = self.metadata["tables"].as_array().unwrap();
        let table = tables
            .iter()
            .find(|table| table["oid"] == relation.oid.as_u32())
            .unwrap();
        let column = |column: &Value| ColumnMetadata {
            name: text(&column["name"]),
            type_oid: oid(&column["type_oid"]),
            type_modifier: modifier(&column["type_modifier"]),
            not_null: column["not_null"].as_bool().unwrap(),
            default_expression: column["default"].as_str().map(str::to_owned),
            generated: false,
        };
        let kind = |kind: &Value| {
            if let Some(labels) = kind.get("enum") {
                TypeKind::Enum {
                    labels: labels.as_array().unwrap().iter().map(text).collect(),
                }
            } else if let Some(base) = kind.get("domain") {
                TypeKind::Domain {
                    base: oid(base),
                    base_modifier: modifier(&kind["modifier"]),
                }
            } else {
                TypeKind::Array {
                    element: oid(&kind["array"]),
                    delimiter: b',',
                }
            }
        };
        let types = self.metadata["types"].as_array().unwrap().iter().map(|known| {
            let metadata = TypeMetadata {
                namespace: text(&known["namespace"]),
                name: text(&known["name"]),
                kind: kind(known),
            };
            (oid(&known["oid"]), metadata)
        });
        TableMetadata {
            columns: table["columns"].as_array().unwrap().iter().map(column).collect(),
            key_columns: table["key_columns"]
                .as_array()
                .unwrap()
                .iter()
                .map(text)
                .collect(),
            types: types.collect(),
            ..TableMetadata::default()
        }
    }

    /// The ids under which Debezium's converter registered the schemas of a topic.
    pub(crate) fn ids(&self, topic: &str) -> SchemaIds {
        let id = |bytes: &[u8]| SchemaId::new(u32::from_be_bytes(bytes[1..5].try_into().unwrap()));
        let records = self.records.get(topic).map(Vec::as_slice).unwrap_or_default();
        let key = records.iter().find_map(|record| record.key.as_deref()).map(id);
        let value = records.iter().find_map(|record| record.value.as_deref()).map(id);
        // Topics that only the mapper writes to have keys too.
        let none = SchemaId::new(0);
        SchemaIds {
            key: Some(key.unwrap_or(none)),
            value: Some(value.unwrap_or(none)),
        }
    }

    /// Encodes the recorded stream.
    pub(crate) fn replay(&self) -> Ours {
        let config = MapperConfig::new("p", "shop");
        let mut ours = Ours::default();
        let mut decoder = Decoder::new();
        let mut plans: BTreeMap<u32, Plan> = BTreeMap::new();
        let mut buffer = RecordBuffer::new();
        let mut context = ChangeContext {
            xid: Xid::new(0),
            commit_lsn: Lsn::INVALID,
            commit_time: PgTimestamp::from_unix_micros(0),
            lsn: Lsn::INVALID,
            ordinal: Ordinal::new(0),
            previous_commit_end: None,
            origin: None,
            transaction_context: None,
            processed_at_unix_nanos: PROCESSED_AT_UNIX_NANOS,
        };
        for (lsn, bytes) in &self.frames {
            context.lsn = *lsn;
            let (relation, change) = match decoder.decode(bytes).unwrap() {
                Message::Begin(begin) => {
                    context.xid = begin.xid;
                    context.commit_lsn = begin.commit_lsn;
                    context.commit_time = begin.commit_time;
                    context.ordinal = Ordinal::new(0);
                    continue;
                }
                Message::Commit(commit) => {
                    context.previous_commit_end = Some(commit.end_lsn);
                    continue;
                }
                Message::Relation(relation) => {
                    let mut plan = Plan::compile(&relation, &self.metadata(&relation), &config).unwrap();
                    let json = |text: &str| serde_json::from_str::<Value>(text).unwrap();
                    ours.schemas.insert(
                        plan.topic().to_owned(),
                        (plan.key_schema().map(json), json(plan.value_schema().unwrap())),
                    );
                    plan.bind(self.ids(plan.topic()));
                    plans.insert(relation.oid.as_u32(), plan);
                    continue;
                }
                Message::Insert(insert) => (insert.relation, RowChange::Insert { new: insert.new }),
                Message::Update(update) => (
                    update.relation,
                    RowChange::Update {
                        old: update.old,
                        new: update.new,
                    },
                ),
                Message::Delete(delete) => (delete.relation, RowChange::Delete { old: delete.old }),
                _ => continue,
            };
            let plan = plans.get_mut(&relation.as_u32()).unwrap();
            if let Err(error) = plan.encode(&change, &context, None, &mut buffer) {
                ours.errors.push(error);
            }
            context.ordinal = context.ordinal.next();
        }
        for view in buffer.records() {
            let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
            ours.records
                .entry(view.topic.to_owned())
                .or_default()
                .push(Record {
                    topic: view.topic.to_owned(),
                    key: view.key.map(<[u8]>::to_vec),
                    value: view.value.map(<[u8]>::to_vec),
                    headers: view
                        .headers()
                        .map(|header| (header.name.to_owned(), text(header.value.unwrap())))
                        .collect(),
                });
        }
        ours
    }
}
