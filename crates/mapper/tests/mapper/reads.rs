//! Rows that were read from their tables.

use std::collections::BTreeMap;

use expect_test::expect;
use walcast_mapper::{
    MissingRowContext, ReadContext, RecordBuffer, RowId, SnapshotMarker, missing_row_tuple,
};
use walcast_pgoutput::reader::Reader;
use walcast_pgoutput::{Column, Lsn, Oid, PgTimestamp, ReplicaIdentity, Tid, Tuple, encode};

use crate::shown;
use crate::table::{INT4, TEXT, Table};

fn context(marker: SnapshotMarker) -> ReadContext {
    ReadContext {
        lsn: Lsn::new(0x16B_3748),
        fixed_at: PgTimestamp::from_unix_micros(1_709_168_523_456_789),
        marker,
        row: RowId {
            table: Oid::new(16_384),
            tid: Tid {
                block: 70_000,
                offset: 12,
            },
        },
        processed_at_unix_nanos: 1_709_168_523_999_888_777,
    }
}

fn row(values: &[Column<'_>]) -> Vec<u8> {
    encode::tuple(values)
}

#[test]
fn a_read_row_is_an_event_of_op_r() {
    let table = Table::new(&[("a", INT4, -1), ("b", TEXT, -1)]);
    let mut plan = table.compile().unwrap();
    let mut buffer = RecordBuffer::new();
    let bytes = row(&[Column::Text(b"1"), Column::Null]);
    let tuple = Tuple::read(&mut Reader::new(&bytes)).unwrap();
    plan.encode_read(tuple, &context(SnapshotMarker::FirstInTable), &mut buffer)
        .unwrap();
    let record = buffer.records().next().unwrap();
    let schema = apache_avro::Schema::parse_str(plan.value_schema().unwrap()).unwrap();
    let value = shown::decode(&schema, record.value.unwrap());
    let shown = ["before", "after", "source", "op", "transaction"]
        .map(|name| format!("{name} {}", shown::show(shown::field(&value, name))));
    expect![[r#"
        before null
        after {a: 1, b: null}
        source {version: "0.1.0", connector: "postgresql", name: "p", ts_ms: 1709168523456, snapshot: "first_in_data_collection", db: "db", sequence: "[null,\"23803720\"]", ts_us: 1709168523456789, ts_ns: 1709168523456789000, schema: "public", table: "t", txId: null, lsn: 23803720, xmin: null}
        op "r"
        transaction null"#]].assert_eq(&shown.join("\n"));
    let id = record
        .headers()
        .find(|header| header.name == "walcast.id")
        .unwrap();
    assert_eq!(id.value.unwrap(), b"0/16B3748/16384(70000,12)");
}

#[test]
fn an_unmappable_row_leaves_the_buffer_unchanged() {
    let table = Table::new(&[("a", INT4, -1)]);
    let mut plan = table.compile().unwrap();
    let mut buffer = RecordBuffer::new();
    let bytes = row(&[Column::Text(b"one")]);
    let tuple = Tuple::read(&mut Reader::new(&bytes)).unwrap();
    let error = plan
        .encode_read(tuple, &context(SnapshotMarker::Row), &mut buffer)
        .unwrap_err();
    assert!(buffer.is_empty(), "{error}");
}

#[test]
fn a_key_that_no_row_has_is_a_delete_with_its_tombstone() {
    let table = Table::new(&[("a", INT4, -1), ("b", TEXT, -1)]);
    let mut plan = table.compile().unwrap();
    let key = BTreeMap::from([("a".to_owned(), "7".to_owned())]);
    let tuple = |table: &Table, key| {
        missing_row_tuple(&table.relation, &table.metadata.key_columns, &table.config, key)
    };
    let bytes = tuple(&table, &key).unwrap();
    let context = MissingRowContext {
        lsn: Lsn::new(0x16B_3748),
        fixed_at: PgTimestamp::from_unix_micros(1_709_168_523_456_789),
        table: Oid::new(16_384),
        number: 3,
        processed_at_unix_nanos: 1_709_168_523_999_888_777,
    };
    let mut buffer = RecordBuffer::new();
    plan.encode_delete_of_missing_row(
        Tuple::read(&mut Reader::new(&bytes)).unwrap(),
        &context,
        &mut buffer,
    )
    .unwrap();
    let records: Vec<_> = buffer.records().collect();
    let schema = apache_avro::Schema::parse_str(plan.value_schema().unwrap()).unwrap();
    let value = shown::decode(&schema, records[0].value.unwrap());
    let shown = ["before", "after", "source", "op", "transaction"]
        .map(|name| format!("{name} {}", shown::show(shown::field(&value, name))));
    expect![[r#"
        before {a: 7, b: null}
        after null
        source {version: "0.1.0", connector: "postgresql", name: "p", ts_ms: 1709168523456, snapshot: "incremental", db: "db", sequence: "[null,\"23803720\"]", ts_us: 1709168523456789, ts_ns: 1709168523456789000, schema: "public", table: "t", txId: null, lsn: 23803720, xmin: null}
        op "d"
        transaction null"#]].assert_eq(&shown.join("\n"));
    assert_eq!((records.len(), records[1].value), (2, None));
    assert_eq!(records[0].key, records[1].key);
    let ids = records.iter().map(|record| {
        let id = record
            .headers()
            .find(|header| header.name == "walcast.id")
            .unwrap();
        String::from_utf8(id.value.unwrap().to_vec()).unwrap()
    });
    assert_eq!(
        ids.collect::<Vec<_>>(),
        ["0/16B3748/16384(gone,3)", "0/16B3748/16384(gone,3.1)"]
    );
    // Where records have another key, this would be the key of no record.
    let other = BTreeMap::from([("b".to_owned(), "7".to_owned())]);
    let more = BTreeMap::from([("a".to_owned(), "7".to_owned()), ("b".to_owned(), "7".to_owned())]);
    assert_eq!((tuple(&table, &other), tuple(&table, &more)), (None, None));
    let mut full = table.clone();
    full.relation.replica_identity = ReplicaIdentity::Full;
    assert_eq!(tuple(&full, &key), None);
    let mut routed = table;
    let rule = r#"{"tables": "public.t", "columns": ["a"]}"#;
    routed.config.keys = vec![serde_json::from_str(rule).unwrap()];
    assert_eq!(tuple(&routed, &key), None);
}
