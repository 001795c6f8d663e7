//! Rows of outbox tables as events: topic, partition, timestamp, key, value and headers of each record.

mod messages;
mod payloads;

use expect_test::{Expect, expect};
use serde_json::{Value, json};
use walcast_mapper::config::{Encoding, ReservedTopic, TopicPurpose};
use walcast_mapper::{EventCounts, MapError, Plan, RecordBuffer, RecordLimits, SchemaId, SchemaIds};
use walcast_pgoutput::Column::{self, Null, Text, UnchangedToast};
use walcast_pgoutput::Oid;

use crate::table::{Change, INT4, TEXT, Table, context, encode_change, with_change};

const UUID: u32 = 2950;
const BYTEA: u32 = 17;
const JSONB: u32 = 3802;
const TIMESTAMP: u32 = 1114;
const TIMESTAMPTZ: u32 = 1184;

const ID: &[u8] = b"7d2f1a3e-0000-4000-8000-000000000001";

/// An outbox with Debezium's default columns and three others, in JSON, with further settings.
fn outbox(settings: Value) -> Table {
    let mut table = Table::new(&[
        ("id", UUID, -1),
        ("aggregatetype", TEXT, -1),
        ("aggregateid", TEXT, -1),
        ("payload", JSONB, -1),
        ("kind", TEXT, -1),
        ("part", INT4, -1),
        ("at", TIMESTAMP, -1),
    ]);
    let mut rule = json!({"tables": "public.t"});
    for (key, value) in settings.as_object().unwrap() {
        rule[key] = value.clone();
    }
    table.config.outboxes = vec![serde_json::from_value(rule).unwrap()];
    (table.config.key, table.config.value) = (Encoding::Json, Encoding::Json);
    table.config.context_headers = false;
    table
}

const ROW: [Column<'static>; 7] = [
    Text(ID),
    Text(b"order"),
    Text(b"8471"),
    Text(b"{\"n\": 1}"),
    Text(b"Placed"),
    Text(b"3"),
    Text(b"2024-03-01 00:00:00.123456"),
];

/// The row with another value in one column.
fn row_with(place: usize, value: Column<'static>) -> [Column<'static>; 7] {
    let mut row = ROW;
    row[place] = value;
    row
}

fn set_type(table: &mut Table, place: usize, oid: u32) {
    table.relation.columns[place].type_oid = Oid::new(oid);
    table.metadata.columns[place].type_oid = Oid::new(oid);
}

/// Encodes a change, and binds each topic that is missing. Returns the names of the topics that were missing.
fn encode(plan: &mut Plan, change: &Change<'_>, buffer: &mut RecordBuffer) -> Result<Vec<String>, MapError> {
    let mut missing = Vec::new();
    loop {
        match encode_change(plan, change, buffer) {
            Ok(()) => return Ok(missing),
            Err(MapError::UnknownTopic { topic }) => {
                let ids = SchemaIds {
                    key: plan.key_schema().map(|_| SchemaId::new(10)),
                    value: plan.value_schema().map(|_| SchemaId::new(11)),
                };
                plan.bind_topic(&topic, ids);
                missing.push(topic);
            }
            Err(error) => return Err(error),
        }
    }
}

fn text(bytes: Option<&[u8]>) -> String {
    bytes.map_or("none".to_owned(), |bytes| {
        String::from_utf8(bytes.to_vec()).unwrap()
    })
}

/// Records as lines: topic, partition, timestamp, key, value, and the headers but `walcast.id`.
fn shown(buffer: &RecordBuffer) -> String {
    let records = buffer.records().map(|record| {
        let headers = record.headers().filter(|header| header.name != "walcast.id");
        let headers: Vec<String> = headers
            .map(|header| format!("{}={}", header.name, text(header.value)))
            .collect();
        format!(
            "{} {:?} {:?} {} {} [{}]",
            record.topic,
            record.partition,
            record.timestamp,
            text(record.key),
            text(record.value),
            headers.join(", ")
        )
    });
    records.collect::<Vec<_>>().join("\n")
}

/// Compares the records of a change, or the error.
fn check(table: &Table, change: &Change<'_>, expected: &Expect) {
    let mut buffer = RecordBuffer::new();
    let encoded = table
        .compile()
        .and_then(|mut plan| encode(&mut plan, change, &mut buffer));
    expected.assert_eq(&match encoded {
        Ok(_) => shown(&buffer),
        Err(error) => error.to_string(),
    });
}

#[test]
fn inserted_row_is_an_event() {
    check(
        &outbox(json!({})),
        &Change::Insert(&ROW),
        &expect![[
            r#"outbox.event.order None None "8471" "{\"n\": 1}" [id=7d2f1a3e-0000-4000-8000-000000000001]"#
        ]],
    );
}

/// Connect's JSON converter writes null for a null with a schema.
#[test]
fn null_keys_and_payloads_in_json_are_written() {
    check(
        &outbox(json!({})),
        &Change::Insert(&row_with(2, Null)),
        &expect![[
            r#"outbox.event.order None None null "{\"n\": 1}" [id=7d2f1a3e-0000-4000-8000-000000000001]"#
        ]],
    );
    check(
        &outbox(json!({})),
        &Change::Insert(&row_with(3, Null)),
        &expect![[r#"outbox.event.order None None "8471" null [id=7d2f1a3e-0000-4000-8000-000000000001]"#]],
    );
}

#[test]
fn every_setting_has_its_effect() {
    let settings = json!({
        "id": "kind", "key": "part", "payload": "aggregateid", "timestamp": "at", "route_by": "aggregatetype",
        "route_pattern": "(o.*)", "route_topic": "events.$1",
        "additional": ["kind:header:eventType", "part:header", "part:partition", "missing:header", "kind:envelope:kind"],
        "missing_additional": "ignore",
    });
    check(
        &outbox(settings.clone()),
        &Change::Insert(&ROW),
        &expect![[
            r#"events.order Some(3) Some(1709251200123) 3 {"payload":"8471","kind":"Placed"} [id=Placed, eventType=Placed, part=3]"#
        ]],
    );
    let mut row = row_with(1, Text(b"cart"));
    (row[5], row[6]) = (Null, Null);
    check(
        &outbox(settings),
        &Change::Insert(&row),
        &expect![[
            r#"cart None None null {"payload":"8471","kind":"Placed"} [id=Placed, eventType=Placed, part=none]"#
        ]],
    );
}

#[test]
fn blank_payloads_are_tombstones_where_the_setting_says_so() {
    let settings = |is_on: bool| json!({"payload": "kind", "tombstone_on_empty_payload": is_on});
    for payload in [Text(b""), Text(b" \t\r\n"), Null] {
        check(
            &outbox(settings(true)),
            &Change::Insert(&row_with(4, payload)),
            &expect![[
                r#"outbox.event.order None None "8471" none [id=7d2f1a3e-0000-4000-8000-000000000001]"#
            ]],
        );
    }
    check(
        &outbox(settings(false)),
        &Change::Insert(&row_with(4, Text(b" "))),
        &expect![[r#"outbox.event.order None None "8471" " " [id=7d2f1a3e-0000-4000-8000-000000000001]"#]],
    );
}

#[test]
fn rows_from_which_no_event_can_be_made_are_errors() {
    let insert = |place: usize, value: Column<'static>, expected: &Expect| {
        let settings = json!({"id": "kind", "timestamp": "at", "additional": ["part:partition"]});
        let mut table = outbox(settings);
        table.config.reserved_topics = vec![ReservedTopic {
            topic: "outbox.event.kept".to_owned(),
            purpose: TopicPurpose::DeadLetters,
        }];
        check(&table, &Change::Insert(&row_with(place, value)), expected);
    };
    insert(
        4,
        Null,
        &expect!["column kind of outbox table public.t: the value cannot be used as the id of an event"],
    );
    for topic in [
        Null,
        UnchangedToast,
        Text("größe".as_bytes()),
        Text(b"a b"),
        Text(b"x/y"),
    ] {
        insert(
            1,
            topic,
            &expect![
                "column aggregatetype of outbox table public.t: the value cannot be used as the name of a topic"
            ],
        );
    }
    insert(
        1,
        Text(b"kept"),
        &expect![
            "column aggregatetype of outbox table public.t: the value cannot be used as the name of a topic: the connector uses this topic for another purpose"
        ],
    );
    insert(
        5,
        Text(b"-1"),
        &expect![
            "column part of outbox table public.t: the value cannot be used as the number of a partition"
        ],
    );
    insert(
        6,
        Text(b"1969-12-31 23:59:59"),
        &expect![
            "column at of outbox table public.t: the value cannot be used as the timestamp of a record, which is after 1970"
        ],
    );
}

#[test]
fn columns_that_cannot_be_used_are_errors() {
    let compile = |settings: Value, expected: &Expect| {
        let mut table = outbox(settings);
        set_type(&mut table, 4, TIMESTAMPTZ);
        expected.assert_eq(&table.compile().unwrap_err().to_string());
    };
    for key in ["id", "key", "payload", "route_by", "timestamp"] {
        let mut settings = json!({});
        settings[key] = "nothing".into();
        compile(
            settings,
            &expect!["column nothing of outbox table public.t does not exist"],
        );
    }
    compile(
        json!({"additional": ["nothing:header"]}),
        &expect!["column nothing of outbox table public.t does not exist"],
    );
    compile(
        json!({"route_by": "part"}),
        &expect!["column part of outbox table public.t chooses the topic, and is not text"],
    );
    compile(
        json!({"timestamp": "kind"}),
        &expect![
            "column kind of outbox table public.t is the timestamp, and not a timestamp without time zone as a number of [types] time"
        ],
    );
    compile(
        json!({"additional": ["at:partition"]}),
        &expect!["column at of outbox table public.t is the partition, and not an integer of 32 bits"],
    );
    compile(
        json!({"additional": ["part:envelope:payload"]}),
        &expect![[r#"columns "payload" and "payload" of public.t would both be field payload"#]],
    );
    let mut table = outbox(json!({}));
    table.config.columns.exclude = vec!["public.t.payload".parse().unwrap()];
    expect!["column payload of outbox table public.t is needed, but is not sent"]
        .assert_eq(&table.compile().unwrap_err().to_string());
}

#[test]
fn updates_and_deletes_make_no_event_but_are_counted() {
    let mut table = outbox(json!({}));
    table.config.events.transactions = true;
    let mut plan = table.compile().unwrap();
    let (mut counts, mut buffer) = (EventCounts::default(), RecordBuffer::new());
    for change in [Change::UpdateOnly(&ROW), Change::DeleteFull(&ROW)] {
        with_change(&change, |change| {
            plan.encode(change, &context(), Some(&mut counts), &mut buffer)
        })
        .unwrap();
    }
    plan.encode_truncate(0, &context(), Some(&mut counts), &mut buffer)
        .unwrap();
    assert_eq!((buffer.record_count(), counts.total()), (0, 2));
    check(
        &outbox(json!({"on_update": "fatal"})),
        &Change::UpdateOnly(&ROW),
        &expect!["a row of outbox table public.t was updated, and on_update of [[outbox]] is fatal"],
    );
}

/// Debezium makes a delete and a create of it, and routes the create.
#[test]
fn update_of_the_primary_key_is_another_event() {
    let old = row_with(0, Text(b"7d2f1a3e-0000-4000-8000-000000000000"));
    check(
        &outbox(json!({"on_update": "fatal"})),
        &Change::UpdateKey(&old, &ROW),
        &expect![[
            r#"outbox.event.order None None "8471" "{\"n\": 1}" [__debezium.oldkey={"id":"7d2f1a3e-0000-4000-8000-000000000000"}, id=7d2f1a3e-0000-4000-8000-000000000001]"#
        ]],
    );
}

/// Bytes of a key, a value and a header in Avro and as Connect's header converter prints them.
#[test]
fn avro_has_the_schemas_of_the_columns() {
    let mut table = outbox(json!({"additional": ["payload:header"]}));
    (table.config.key, table.config.value) = (Encoding::Avro, Encoding::Avro);
    set_type(&mut table, 3, BYTEA);
    let mut plan = table.compile().unwrap();
    assert_eq!(plan.key_schema(), Some(r#"["null","string"]"#));
    assert_eq!(plan.value_schema(), Some(r#"["null","bytes"]"#));
    let mut buffer = RecordBuffer::new();
    let missing = encode(
        &mut plan,
        &Change::Insert(&row_with(3, Text(b"\\x0041"))),
        &mut buffer,
    );
    assert_eq!(missing.unwrap(), ["outbox.event.order"]);
    let mut row = row_with(2, Null);
    row[3] = Null;
    assert!(
        encode(&mut plan, &Change::Insert(&row), &mut buffer)
            .unwrap()
            .is_empty()
    );
    let records: Vec<_> = buffer.records().collect();
    assert_eq!(records[0].key, Some(b"\0\0\0\0\x0a\x02\x088471".as_slice()));
    assert_eq!(records[0].value, Some(b"\0\0\0\0\x0b\x02\x04\x00A".as_slice()));
    let header = records[0].headers().last().unwrap();
    assert_eq!((header.name, header.value), ("payload", Some(b"AEE=".as_slice())));
    assert_eq!((records[1].key, records[1].value), (None, None));
}

/// Each routing value, with each version, has a schema of its own: its name is part of that of the schema.
#[test]
fn schemas_of_values_with_further_fields_name_route_and_version() {
    let mut table = outbox(json!({"schema_version": "part", "additional": ["kind:envelope"]}));
    table.config.value = Encoding::Avro;
    let mut plan = table.compile().unwrap();
    let mut buffer = RecordBuffer::new();
    let error = encode_change(&mut plan, &Change::Insert(&ROW), &mut buffer).unwrap_err();
    let topic = "outbox.event.order".to_owned();
    assert_eq!(error, MapError::UnknownTopic { topic });
    expect![[r#"{"type":"record","name":"Value","namespace":"p.public.t.order","fields":[{"name":"payload","type":["null",{"type":"string","connect.version":1,"connect.name":"io.debezium.data.Json"}],"default":null},{"name":"kind","type":["null","string"],"default":null}],"connect.version":3,"connect.name":"p.public.t.order.Value"}"#]]
    .assert_eq(plan.value_schema().unwrap());
    assert_eq!(
        encode(&mut plan, &Change::Insert(&ROW), &mut buffer).unwrap(),
        ["outbox.event.order"]
    );
    let second = row_with(5, Text(b"4"));
    assert_eq!(
        encode(&mut plan, &Change::Insert(&second), &mut buffer).unwrap(),
        ["outbox.event.order"]
    );
    assert!(
        encode(&mut plan, &Change::Insert(&ROW), &mut buffer)
            .unwrap()
            .is_empty()
    );
}

#[test]
fn limits_are_those_of_the_topic_of_the_row() {
    let limits = |bytes| RecordLimits {
        key_and_value: bytes,
        whole: bytes,
        taken: bytes,
    };
    let mut plan = outbox(json!({})).compile().unwrap();
    let mut buffer = RecordBuffer::new();
    let cart = row_with(1, Text(b"cart"));
    for (row, bytes) in [(&ROW, 5), (&cart, 5_000)] {
        encode(&mut plan, &Change::Insert(row), &mut buffer).unwrap();
        plan.limit(limits(bytes));
    }
    encode(&mut plan, &Change::Insert(&cart), &mut buffer).unwrap();
    assert_eq!(plan.limits(), Some(limits(5_000)));
    let error = encode(&mut plan, &Change::Insert(&ROW), &mut buffer).unwrap_err();
    assert!(
        matches!(&error, MapError::TooLarge { topic, limit: 5, .. } if topic == "outbox.event.order"),
        "{error}"
    );
    assert_eq!(plan.limited_topic(), "outbox.event.order");
    assert_eq!(buffer.record_count(), 3);
}

/// A client that may write rows could otherwise have any number of topics created.
#[test]
fn rows_name_no_more_topics_than_allowed() {
    let mut plan = outbox(json!({"topics_max": 1})).compile().unwrap();
    let mut buffer = RecordBuffer::new();
    // A topic is created before its schemas are registered: it counts although the registry may reject them.
    encode_change(&mut plan, &Change::Insert(&ROW), &mut buffer).unwrap_err();
    let cart = row_with(1, Text(b"cart"));
    let error = encode(&mut plan, &Change::Insert(&cart), &mut buffer).unwrap_err();
    expect!["column aggregatetype of outbox table public.t: the value cannot be used as the name of a topic: rows of the table have named as many topics as topics_max allows"]
        .assert_eq(&error.to_string());
    encode(&mut plan, &Change::Insert(&ROW), &mut buffer).unwrap();
    assert_eq!(buffer.record_count(), 1);
}

#[test]
fn topics_of_other_events_take_no_event_of_an_outbox() {
    let mut table = outbox(json!({"route_topic": "${routedByValue}"}));
    table.config.events.transactions = true;
    table.config.events.notification_topic = Some("notices".to_owned());
    for topic in [Text(b"p.transaction"), Text(b"notices")] {
        check(
            &table,
            &Change::Insert(&row_with(1, topic)),
            &expect![
                "column aggregatetype of outbox table public.t: the value cannot be used as the name of a topic: the connector uses this topic for another purpose"
            ],
        );
    }
}

/// Brokers reject such records, which would end every session at the row.
#[test]
fn topics_of_kafka_itself_take_no_event() {
    check(
        &outbox(json!({"route_topic": "${routedByValue}"})),
        &Change::Insert(&row_with(1, Text(b"__consumer_offsets"))),
        &expect![
            "column aggregatetype of outbox table public.t: the value cannot be used as the name of a topic: Kafka uses this topic itself"
        ],
    );
}

/// Not every caller asks for the number of partitions. Where one does, it asks again before the row is an error.
#[test]
fn partitions_that_the_topic_does_not_have_are_errors() {
    let mut plan = outbox(json!({"additional": ["part:partition"]}))
        .compile()
        .unwrap();
    assert!(plan.names_partitions());
    let mut buffer = RecordBuffer::new();
    encode(&mut plan, &Change::Insert(&ROW), &mut buffer).unwrap();
    plan.set_partitions(3);
    let error = encode(&mut plan, &Change::Insert(&ROW), &mut buffer).unwrap_err();
    expect!["column part of outbox table public.t: the value cannot be used as the number of a partition: the topic has fewer"]
        .assert_eq(&error.to_string());
    assert!(plan.lacks_partition() && plan.partitions() == Some(3));
    plan.set_partitions(4);
    encode(&mut plan, &Change::Insert(&ROW), &mut buffer).unwrap();
    assert!(!plan.lacks_partition());
    assert_eq!(buffer.record_count(), 2);
}
