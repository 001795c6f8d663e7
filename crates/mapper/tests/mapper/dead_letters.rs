//! Dead letters: their contents, and the limits of the size of records.

use std::sync::Arc;

use expect_test::{Expect, expect};
use serde_json::Value;
use walcast_pgoutput::reader::Reader;
use walcast_pgoutput::{
    Column, Lsn, Oid, OldTuple, PgTimestamp, Relation, RelationColumn, ReplicaIdentity, Tuple, Xid, encode,
};

use walcast_mapper::config::MaskRule;
use walcast_mapper::dead_letter::{
    DeadLetter, DeadLetterReason, DeadLetterSource, UndeliverableEvent, write_tombstone,
};
use walcast_mapper::pattern::ColumnPattern;
use walcast_mapper::{
    ChangeContext, EventCounts, MapError, MapperConfig, Ordinal, Plan, RecordBuffer, RecordLimits, RowChange,
    SchemaId, SchemaIds, TableMetadata,
};

fn relation() -> Relation {
    let column = |name: &str, type_oid, is_key| RelationColumn {
        is_key,
        name: name.to_owned(),
        type_oid: Oid::new(type_oid),
        type_modifier: -1,
    };
    Relation {
        xid: None,
        oid: Oid::new(16_384),
        namespace: "public".to_owned(),
        name: "orders".to_owned(),
        replica_identity: ReplicaIdentity::Default,
        columns: vec![
            column("id", 23, true),
            column("note", 25, false),
            column("secret", 25, false),
        ],
    }
}

fn source() -> DeadLetterSource<'static> {
    DeadLetterSource::Change {
        context: ChangeContext {
            xid: Xid::new(700),
            commit_lsn: Lsn::new(0x16B_3748),
            commit_time: PgTimestamp::from_unix_micros(1_700_000_000_000_000),
            lsn: Lsn::new(0x16B_3700),
            ordinal: Ordinal::new(3),
            previous_commit_end: None,
            origin: None,
            transaction_context: None,
            processed_at_unix_nanos: 0,
        },
        part: 0,
    }
}

fn tuple(bytes: &[u8]) -> Tuple<'_> {
    Tuple::read(&mut Reader::new(bytes)).unwrap()
}

/// The record of an event's dead letter.
fn letter(event: UndeliverableEvent<'_>, config: &MapperConfig, bytes_max: usize) -> RecordBuffer {
    letter_of(&relation(), &[], event, config, bytes_max)
}

/// The record of the dead letter of an event of a table, with the table's key columns from the catalog.
fn letter_of(
    relation: &Relation,
    key_columns: &[&str],
    event: UndeliverableEvent<'_>,
    config: &MapperConfig,
    bytes_max: usize,
) -> RecordBuffer {
    let key_columns: Vec<String> = key_columns.iter().map(|column| (*column).to_owned()).collect();
    let letter = DeadLetter {
        relation,
        key_columns: &key_columns,
        has_unsent_key_columns: false,
        event,
        source: source(),
        reason: DeadLetterReason::Mapping,
        error: "column id of public.orders: the value cannot be written",
    };
    let mut buffer = RecordBuffer::new();
    letter.write(
        &Arc::from("shop.dead-letters"),
        "shop",
        config,
        bytes_max,
        &mut buffer,
    );
    buffer
}

fn value(buffer: &RecordBuffer) -> Value {
    serde_json::from_slice(buffer.records().next().unwrap().value.unwrap()).unwrap()
}

fn check(value: &Value, expected: Expect) {
    expected.assert_eq(&serde_json::to_string_pretty(value).unwrap());
}

#[test]
fn dead_letters_have_position_reason_and_wire_row() {
    let (old, new) = (
        encode::tuple(&[Column::Text(b"1"), Column::Null, Column::Null]),
        encode::tuple(&[
            Column::Text(b"one"),
            Column::UnchangedToast,
            Column::Text(&[0xFF, 1]),
        ]),
    );
    let event = UndeliverableEvent::Change(RowChange::Update {
        old: Some(OldTuple::Key(tuple(&old))),
        new: tuple(&new),
    });
    let buffer = letter(event, &MapperConfig::new("shop", "shop"), 1_000_000);
    check(
        &value(&buffer),
        expect![[r#"
            {
              "version": 1,
              "id": "0/16B3748/3",
              "topic": "shop.public.orders",
              "schema": "public",
              "table": "orders",
              "key": [
                "id"
              ],
              "operation": "update",
              "reason": "mapping",
              "error": "column id of public.orders: the value cannot be written",
              "lsn": "0/16B3700",
              "commit_lsn": "0/16B3748",
              "xid": 700,
              "ordinal": 3,
              "committed_at_unix_micros": 1700000000000000,
              "before": {
                "id": "1"
              },
              "after": {
                "id": "one",
                "note": {
                  "unchanged_toast": true
                },
                "secret": {
                  "hex": "ff01"
                }
              }
            }"#]],
    );
    let record = buffer.records().next().unwrap();
    assert_eq!(record.topic, "shop.dead-letters");
    assert_eq!(record.key, Some(b"shop@0/16B3748/3".as_slice()));
    let headers = record.headers().map(|header| {
        let value = String::from_utf8(header.value.unwrap().to_vec()).unwrap();
        format!("{}: {value}", header.name)
    });
    expect![[r#"
        walcast.id: 0/16B3748/3
        walcast.error: column id of public.orders: the value cannot be written
        walcast.reason: mapping
        walcast.relation: public.orders
        walcast.lsn: 0/16B3700
        walcast.xid: 700
        walcast.ordinal: 3"#]]
    .assert_eq(&headers.collect::<Vec<_>>().join("\n"));
}

#[test]
fn excluded_and_transformed_columns_are_withheld_from_dead_letters() {
    let row = encode::tuple(&[
        Column::Text(b"1"),
        Column::Text(b"hidden"),
        Column::Text(b"masked"),
    ]);
    let mut config = MapperConfig::new("shop", "shop");
    config.columns.exclude = vec!["*.orders.note".parse::<ColumnPattern>().unwrap()];
    config.columns.mask = vec![MaskRule {
        columns: vec!["public.orders.secret".parse().unwrap()],
        length: 3,
    }];
    let event = UndeliverableEvent::Read(tuple(&row));
    let buffer = letter(event, &config, 1_000_000);
    let value = value(&buffer);
    assert_eq!(value["after"]["id"], "1");
    assert_eq!(value["after"]["note"]["withheld"], true);
    assert_eq!(value["after"]["secret"]["withheld"], true);
    let text = value.to_string();
    assert!(!text.contains("hidden") && !text.contains("masked"), "{text}");
}

#[test]
fn dead_letters_are_truncated_to_the_limit() {
    // Each byte of the second column takes six in JSON, each character of the third three in UTF-8.
    let (control, wide) = ("\u{1}".repeat(50_000), "€".repeat(70_000));
    let row = encode::tuple(&[
        Column::Text(b"1"),
        Column::Text(control.as_bytes()),
        Column::Text(wide.as_bytes()),
    ]);
    let event = UndeliverableEvent::Change(RowChange::Insert { new: tuple(&row) });
    for bytes_max in [4_000, 20_000, 100_000, 400_000] {
        let buffer = letter(event, &MapperConfig::new("shop", "shop"), bytes_max);
        let record = buffer.records().next().unwrap();
        let headers: usize = record
            .headers()
            .map(|header| header.name.len() + header.value.unwrap().len() + 10)
            .sum();
        let bytes = record.key.unwrap().len() + record.value.unwrap().len() + headers + 100;
        assert!(bytes <= bytes_max, "{bytes} of {bytes_max}");
        let value = value(&buffer);
        assert_eq!(value["after"]["id"], "1");
        assert_eq!(value["after"]["secret"]["cut"], true);
        assert_eq!(value["after"]["secret"]["bytes"], 210_000);
        let beginning = value["after"]["secret"]["beginning"].as_str().unwrap();
        assert!(wide.starts_with(beginning));
    }
    let buffer = letter(event, &MapperConfig::new("shop", "shop"), 1_000_000);
    assert_eq!(value(&buffer)["after"]["secret"], wide);
}

/// The columns that identify the row: from the Relation message, and where it has none, from the catalog.
#[test]
fn dead_letters_have_the_key_columns() {
    let key = |identity, flagged: bool, catalog: &[&str]| {
        let mut relation = relation();
        relation.replica_identity = identity;
        let is_full = identity == ReplicaIdentity::Full;
        relation.columns[0].is_key = flagged;
        relation.columns[1].is_key = is_full;
        relation.columns[2].is_key = is_full;
        let row = encode::tuple(&[Column::Text(b"1"), Column::Null, Column::Null]);
        let event = UndeliverableEvent::Read(tuple(&row));
        let config = MapperConfig::new("shop", "shop");
        value(&letter_of(&relation, catalog, event, &config, 1_000_000))["key"].to_string()
    };
    assert_eq!(key(ReplicaIdentity::Default, true, &[]), r#"["id"]"#);
    assert_eq!(key(ReplicaIdentity::Default, true, &["note"]), r#"["id"]"#);
    assert_eq!(
        key(ReplicaIdentity::Full, true, &["note", "id"]),
        r#"["note","id"]"#
    );
    assert_eq!(key(ReplicaIdentity::Full, true, &[]), "[]");
    assert_eq!(key(ReplicaIdentity::Nothing, false, &[]), "[]");
}

#[test]
fn dead_letters_are_resolved_by_a_tombstone() {
    let mut buffer = RecordBuffer::new();
    write_tombstone(
        &Arc::from("shop.dead-letters"),
        "shop",
        "0/16B3748/3",
        &mut buffer,
    );
    let record = buffer.records().next().unwrap();
    assert_eq!(record.topic, "shop.dead-letters");
    assert_eq!(record.key, Some(b"shop@0/16B3748/3".as_slice()));
    assert_eq!(record.value, None);
    let headers: Vec<_> = record
        .headers()
        .map(|header| (header.name, header.value.unwrap()))
        .collect();
    assert_eq!(headers, [("walcast.id", b"0/16B3748/3".as_slice())]);
}

/// A plan with `limits`, and an insert of `bytes` bytes encoded by it.
fn insert(bytes: usize, limits: RecordLimits) -> Result<RecordBuffer, MapError> {
    let config = MapperConfig::new("shop", "shop");
    let mut plan = Plan::compile(&relation(), &TableMetadata::default(), &config).unwrap();
    plan.bind(SchemaIds {
        key: Some(SchemaId::new(1)),
        value: Some(SchemaId::new(2)),
    });
    plan.limit(limits);
    let note = "x".repeat(bytes);
    let row = encode::tuple(&[Column::Text(b"1"), Column::Text(note.as_bytes()), Column::Null]);
    let change = RowChange::Insert { new: tuple(&row) };
    let DeadLetterSource::Change { context, .. } = source() else {
        unreachable!("it is one of a change")
    };
    let (mut buffer, mut counts) = (RecordBuffer::new(), EventCounts::default());
    buffer.push(&Arc::from("t"), None, Some(&[0; 10_000]), []);
    let before = buffer.len_bytes();
    let encoded = plan.encode(&change, &context, Some(&mut counts), &mut buffer);
    if encoded.is_err() {
        assert_eq!((buffer.len_bytes(), buffer.record_count()), (before, 1));
        assert!(
            format!("{counts:?}").starts_with("EventCounts { total: 0,"),
            "{counts:?}"
        );
    }
    encoded.map(|()| buffer)
}

#[test]
fn records_over_the_limits_leave_the_buffer_unchanged() {
    let none = RecordLimits {
        key_and_value: usize::MAX,
        whole: usize::MAX,
        taken: 0,
    };
    let buffer = insert(5_000, none).unwrap();
    let record = buffer.records().nth(1).unwrap();
    let body = record.key.unwrap().len() + record.value.unwrap().len();
    let headers: usize = record.headers().map(|header| header.value.unwrap().len()).sum();
    for (key_and_value, whole, is_taken) in [
        (body, usize::MAX, true),
        (body - 1, usize::MAX, false),
        (usize::MAX, body + headers, true),
        (usize::MAX, body + headers - 1, false),
    ] {
        let limits = RecordLimits {
            key_and_value,
            whole,
            taken: 0,
        };
        match insert(5_000, limits) {
            Ok(_) => assert!(is_taken),
            Err(MapError::TooLarge { topic, bytes, limit }) => {
                assert!(!is_taken && bytes == limit + 1);
                assert_eq!(topic, "shop.public.orders");
            }
            Err(other) => panic!("{other}"),
        }
    }
}
