//! Rows that were read from their tables.

use expect_test::expect;
use walcast_mapper::{Batch, ReadContext, RowId, SnapshotMark};
use walcast_pgoutput::reader::Reader;
use walcast_pgoutput::{Column, Lsn, Oid, PgTimestamp, Tid, Tuple, encode};

use crate::shown;
use crate::table::{INT4, TEXT, Table};

fn context(mark: SnapshotMark) -> ReadContext {
    ReadContext {
        lsn: Lsn::new(0x16B_3748),
        fixed_at: PgTimestamp::from_unix_micros(1_709_168_523_456_789),
        mark,
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
fn a_row_is_an_event_of_its_own_kind() {
    let table = Table::new(&[("a", INT4, -1), ("b", TEXT, -1)]);
    let mut plan = table.compile().unwrap();
    let mut batch = Batch::new();
    let bytes = row(&[Column::Text(b"1"), Column::Null]);
    let tuple = Tuple::read(&mut Reader::new(&bytes)).unwrap();
    plan.encode_read(tuple, &context(SnapshotMark::FirstInTable), &mut batch)
        .unwrap();
    let record = batch.records().next().unwrap();
    let schema = apache_avro::Schema::parse_str(plan.value_schema().unwrap()).unwrap();
    let value = shown::decode(&schema, record.value.unwrap());
    let told = ["before", "after", "source", "op", "transaction"]
        .map(|name| format!("{name} {}", shown::show(shown::field(&value, name))));
    expect![[r#"
        before null
        after {a: 1, b: null}
        source {version: "0.1.0", connector: "postgresql", name: "p", ts_ms: 1709168523456, snapshot: "first_in_data_collection", db: "db", sequence: "[null,\"23803720\"]", ts_us: 1709168523456789, ts_ns: 1709168523456789000, schema: "public", table: "t", txId: null, lsn: 23803720, xmin: null}
        op "r"
        transaction null"#]].assert_eq(&told.join("\n"));
    let id = record
        .headers()
        .find(|header| header.name == "walcast.id")
        .unwrap();
    assert_eq!(id.value, b"0/16B3748/16384(70000,12)");
}

#[test]
fn a_row_that_does_not_fit_leaves_nothing() {
    let table = Table::new(&[("a", INT4, -1)]);
    let mut plan = table.compile().unwrap();
    let mut batch = Batch::new();
    let bytes = row(&[Column::Text(b"one")]);
    let tuple = Tuple::read(&mut Reader::new(&bytes)).unwrap();
    let error = plan
        .encode_read(tuple, &context(SnapshotMark::Row), &mut batch)
        .unwrap_err();
    assert!(batch.is_empty(), "{error}");
}
