//! Payloads that are not sent as they are, and what else an event has beside its columns.

use expect_test::expect;
use serde_json::json;
use walcast_mapper::config::Encoding;
use walcast_mapper::{MapError, RecordBuffer, SchemaId, SchemaIds};
use walcast_pgoutput::Column::{Null, Text};

use super::{ROW, check, encode, outbox, row_with};
use crate::table::{Change, encode_change};

#[test]
fn objects_in_json_are_structs() {
    check(
        &outbox(json!({"expand_json": true})),
        &Change::Insert(&row_with(
            3,
            Text(br#"{"n": 1, "none": null, "empty": [], "d": 1.0, "a": [{"x": "y"}, {"z": true}]}"#),
        )),
        &expect![[
            r#"outbox.event.order None None "8471" {"n":1,"d":1.0,"a":[{"x":"y","z":null},{"x":null,"z":true}]} [id=7d2f1a3e-0000-4000-8000-000000000001]"#
        ]],
    );
    // What is no object with a schema is sent as it is.
    for payload in ["5", "\"text\"", "{\"a\": [1, \"x\"]}"] {
        let mut buffer = RecordBuffer::new();
        let mut plan = outbox(json!({"expand_json": true})).compile().unwrap();
        let row = row_with(3, Text(payload.as_bytes()));
        encode(&mut plan, &Change::Insert(&row), &mut buffer).unwrap();
        let value = buffer.records().next().unwrap().value.unwrap().to_vec();
        assert_eq!(serde_json::from_slice::<String>(&value).unwrap(), payload);
    }
    check(
        &outbox(json!({"expand_json": true})),
        &Change::Insert(&row_with(3, Text(b"[1]"))),
        &expect![
            "column payload of outbox table public.t: the value cannot be used as JSON that is sent as a struct: it has to be an object, its integers have at most 64 bits, the same field has one type in all items of an array, and Avro takes its names"
        ],
    );
}

/// Each form of a payload has a schema under the subject of its topic; a record without value has none.
#[test]
fn structs_have_schemas_of_their_own() {
    let mut table = outbox(json!({"expand_json": true}));
    table.config.value = Encoding::Avro;
    let mut plan = table.compile().unwrap();
    let mut buffer = RecordBuffer::new();
    let first = row_with(3, Text(br#"{"n": 1}"#));
    encode_change(&mut plan, &Change::Insert(&first), &mut buffer).unwrap_err();
    assert_eq!(
        plan.value_schema(),
        Some(
            r#"{"type":"record","name":"payload","fields":[{"name":"n","type":["null","int"],"default":null}],"connect.name":"payload"}"#
        )
    );
    let topic = ["outbox.event.order"];
    assert_eq!(
        encode(&mut plan, &Change::Insert(&first), &mut buffer).unwrap(),
        topic
    );
    let second = row_with(3, Text(br#"{"n": 2}"#));
    assert!(
        encode(&mut plan, &Change::Insert(&second), &mut buffer)
            .unwrap()
            .is_empty()
    );
    let other = row_with(3, Text(br#"{"m": 2}"#));
    assert_eq!(
        encode(&mut plan, &Change::Insert(&other), &mut buffer).unwrap(),
        topic
    );
    let none = row_with(3, Null);
    encode_change(&mut plan, &Change::Insert(&none), &mut buffer).unwrap_err();
    assert_eq!(plan.value_schema(), None);
    encode(&mut plan, &Change::Insert(&none), &mut buffer).unwrap();
    let values: Vec<_> = buffer
        .records()
        .map(|record| record.value.map(<[u8]>::to_vec))
        .collect();
    assert_eq!(values[0].as_deref(), Some(b"\0\0\0\0\x0b\x02\x02".as_slice()));
    assert_eq!(values[3], None);
}

/// A client that may write rows could otherwise fill the registry: each form of a payload has a schema.
#[test]
fn payloads_have_no_more_schemas_than_allowed() {
    let mut table = outbox(json!({"expand_json": true, "schemas_max": 1}));
    table.config.value = Encoding::Avro;
    let mut plan = table.compile().unwrap();
    let mut buffer = RecordBuffer::new();
    let form = |payload: &'static str| row_with(3, Text(payload.as_bytes()));
    // The first of each topic is not counted.
    let mut other = form(r#"{"a": 1}"#);
    other[1] = Text(b"cart");
    for row in [form(r#"{"a": 1}"#), form(r#"{"b": 1}"#), other] {
        encode(&mut plan, &Change::Insert(&row), &mut buffer).unwrap();
    }
    let further = form(r#"{"c": 1}"#);
    let error = encode(&mut plan, &Change::Insert(&further), &mut buffer).unwrap_err();
    expect!["column payload of outbox table public.t: the value cannot be used as the cause of a further schema: values of the table have as many schemas as schemas_max allows"]
        .assert_eq(&error.to_string());
    for row in [form(r#"{"b": 2}"#), form(r#"{"a": 2}"#)] {
        encode(&mut plan, &Change::Insert(&row), &mut buffer).unwrap();
    }
    assert_eq!(buffer.record_count(), 5);
}

const PLACED: &str = r#"{"type":"record","name":"Placed","fields":[{"name":"n","type":"int"}]}"#;
const LATER: &str = r#"{"type":"record","name":"Placed","fields":[{"name":"n","type":"int"},{"name":"m","type":"int","default":0}]}"#;

#[test]
fn payloads_are_written_under_schemas_of_the_registry() {
    let mut table = outbox(json!({"schema_by": "kind", "schema_subject": "events.{type}"}));
    table.config.value = Encoding::Avro;
    let mut plan = table.compile().unwrap();
    let mut buffer = RecordBuffer::new();
    let insert = Change::Insert(&ROW);
    encode_change(&mut plan, &insert, &mut buffer).unwrap_err();
    assert_eq!(plan.wanted_subject(), Some("events.Placed"));
    assert_eq!(plan.value_schema(), None);
    for (latest, expected) in [
        (
            None,
            "column payload of outbox table public.t: subject events.Placed has no schema",
        ),
        (
            Some((SchemaId::new(1), "{}")),
            "column payload of outbox table public.t: subject events.Placed has a schema that cannot be read as Avro",
        ),
    ] {
        let error = plan.set_wanted_schema(latest).unwrap_err();
        assert_eq!(error.to_string(), expected);
    }
    plan.set_wanted_schema(Some((SchemaId::new(7), PLACED))).unwrap();
    plan.bind_topic(
        "outbox.event.order",
        SchemaIds {
            key: None,
            value: None,
        },
    );
    encode(&mut plan, &insert, &mut buffer).unwrap();
    let unfit = row_with(3, Text(br#"{"n": 1, "m": 2}"#));
    let error = encode(&mut plan, &Change::Insert(&unfit), &mut buffer).unwrap_err();
    assert_eq!(
        error.to_string(),
        "column payload of outbox table public.t: the payload does not fit the schema of its type"
    );
    assert_eq!(plan.payload_schema(), Some(("events.Placed", SchemaId::new(7))));
    plan.replace_payload_schema(SchemaId::new(8), LATER).unwrap();
    encode(&mut plan, &Change::Insert(&unfit), &mut buffer).unwrap();
    let values: Vec<_> = buffer
        .records()
        .map(|record| record.value.unwrap().to_vec())
        .collect();
    assert_eq!(
        values,
        [b"\0\0\0\0\x07\x02".to_vec(), b"\0\0\0\0\x08\x02\x04".to_vec()]
    );
    let error = encode(
        &mut plan,
        &Change::Insert(&row_with(4, Text(b"../config"))),
        &mut buffer,
    );
    assert!(matches!(error, Err(MapError::OutboxValue { .. })), "{error:?}");
}

#[test]
fn traces_headers_and_the_commit_time_are_sent() {
    let settings = json!({"default_timestamp": "commit", "trace_context": "kind", "headers": "payload", "payload": "aggregateid"});
    let mut row = row_with(
        4,
        Text(b"#Tue Dec 01 09:00:00 UTC 2026\ntraceparent=00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\n"),
    );
    row[3] = Text(br#"{"tenant": "a b", "n": 1.50, "none": null}"#);
    let mut plan = outbox(settings.clone()).compile().unwrap();
    let mut buffer = RecordBuffer::new();
    encode(&mut plan, &Change::Insert(&row), &mut buffer).unwrap();
    let record = buffer.records().next().unwrap();
    assert_eq!(
        record.timestamp,
        Some(crate::table::context().commit_time.unix_micros() / 1000)
    );
    let headers: Vec<_> = record
        .headers()
        .map(|header| (header.name, header.value))
        .collect();
    assert_eq!(
        headers[1..],
        [
            (
                "traceparent",
                Some(b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".as_slice())
            ),
            ("id", Some(b"7d2f1a3e-0000-4000-8000-000000000001".as_slice())),
            ("n", Some(b"1.50".as_slice())),
            ("none", None),
            ("tenant", Some(b"a b".as_slice())),
        ]
    );
    for headers in [r#"{"walcast.id": "x"}"#, r#"{"a": {}}"#, "[]"] {
        row[3] = Text(headers.as_bytes());
        let mut plan = outbox(settings.clone()).compile().unwrap();
        let error = encode(&mut plan, &Change::Insert(&row), &mut buffer);
        assert!(
            matches!(error, Err(MapError::OutboxValue { .. })),
            "{headers}: {error:?}"
        );
    }
}
