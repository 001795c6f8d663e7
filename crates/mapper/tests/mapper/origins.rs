//! Replication origins in the `source` block, which the fields of Debezium 3.6 include.

use expect_test::{Expect, expect};
use walcast_mapper::config::{DebeziumVersion, Encoding, MetadataField, Shape};
use walcast_mapper::{ChangeContext, RecordBuffer, ReplicationOrigin};
use walcast_pgoutput::Column::{self, Text};
use walcast_pgoutput::Lsn;

use crate::shown;
use crate::table::{Change, INT4, TEXT, Table, context, with_change};

const ROW: [Column<'static>; 2] = [Text(b"7"), Text(b"a")];

fn table(version: DebeziumVersion, encoding: Encoding) -> Table {
    let mut table = Table::new(&[("id", INT4, -1), ("name", TEXT, -1)]);
    table.config.debezium_version = version;
    table.config.key = encoding;
    table.config.value = encoding;
    table
}

fn subscription() -> ReplicationOrigin {
    ReplicationOrigin {
        name: "pg_\"16399\"".to_owned(),
        lsn: Lsn::new(0x16B_3748),
    }
}

/// Value of an inserted row, and the headers of its record.
fn inserted(table: &Table, origin: Option<&ReplicationOrigin>) -> (Vec<u8>, Vec<(String, String)>) {
    let mut plan = table.compile().unwrap();
    let context = ChangeContext { origin, ..context() };
    let mut buffer = RecordBuffer::new();
    with_change(&Change::Insert(&ROW), |change| {
        plan.encode(change, &context, None, &mut buffer)
    })
    .unwrap();
    let record = buffer.records().next().unwrap();
    let headers = record.headers().map(|header| {
        let value = header.value.map_or_else(
            || "no value".to_owned(),
            |text| String::from_utf8(text.to_vec()).unwrap(),
        );
        (header.name.to_owned(), value)
    });
    (record.value.unwrap().to_vec(), headers.collect())
}

fn json(table: &Table, origin: Option<&ReplicationOrigin>) -> serde_json::Value {
    serde_json::from_slice(&inserted(table, origin).0).unwrap()
}

#[test]
fn the_block_ends_with_the_replication_origin() {
    let table = table(DebeziumVersion::V3_6, Encoding::Json);
    let end = |origin: Option<&ReplicationOrigin>| {
        let value = String::from_utf8(inserted(&table, origin).0).unwrap();
        let (_, end) = value.split_once("\"lsn\"").unwrap();
        let (end, _) = end.split_once(",\"transaction\"").unwrap();
        end.to_owned()
    };
    let check = |origin: Option<&ReplicationOrigin>, expected: Expect| expected.assert_eq(&end(origin));
    check(
        Some(&subscription()),
        expect![[r#":23803648,"xmin":null,"origin":"pg_\"16399\"","origin_lsn":23803720}"#]],
    );
    check(
        None,
        expect![[r#":23803648,"xmin":null,"origin":null,"origin_lsn":null}"#]],
    );
}

#[test]
fn the_schema_has_two_nullable_fields_more() {
    let fields = |version| {
        let plan = table(version, Encoding::Avro).compile().unwrap();
        let schema: serde_json::Value = serde_json::from_str(plan.value_schema().unwrap()).unwrap();
        let source = &schema["fields"][2];
        assert_eq!(source["name"], "source");
        let fields = source["type"]["fields"].as_array().unwrap();
        fields.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    let (before, after) = (fields(DebeziumVersion::V3_3), fields(DebeziumVersion::V3_6));
    assert_eq!(after[..before.len()], before);
    let expected = [
        r#"{"name":"origin","type":["null","string"],"default":null}"#,
        r#"{"name":"origin_lsn","type":["null","long"],"default":null}"#,
    ];
    let as_json = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
    let more: Vec<_> = after[before.len()..].iter().map(|field| as_json(field)).collect();
    assert_eq!(more, expected.map(as_json));
}

#[test]
fn avro_has_the_replication_origin() {
    let table = table(DebeziumVersion::V3_6, Encoding::Avro);
    let plan = table.compile().unwrap();
    let schema = apache_avro::Schema::parse_str(plan.value_schema().unwrap()).unwrap();
    for origin in [None, Some(&subscription())] {
        let value = shown::decode(&schema, &inserted(&table, origin).0);
        let source = shown::field(&value, "source");
        let text = format!(
            "{:?} {:?}",
            shown::field(source, "origin"),
            shown::field(source, "origin_lsn")
        );
        let (name, lsn) = (text.contains("16399"), text.contains("23803720"));
        assert_eq!((name, lsn), (origin.is_some(), origin.is_some()), "{text}");
    }
}

/// The bytes of the earlier release do not depend on the origin.
#[test]
fn the_fields_of_3_3_have_no_replication_origin() {
    for encoding in [Encoding::Avro, Encoding::Json, Encoding::JsonSchema] {
        let table = table(DebeziumVersion::V3_3, encoding);
        assert_eq!(inserted(&table, Some(&subscription())), inserted(&table, None));
    }
}

#[test]
fn other_shapes_have_the_replication_origin() {
    let mut events = table(DebeziumVersion::V3_6, Encoding::Json);
    events.config.shape = Shape::CloudEvents;
    let event = json(&events, Some(&subscription()));
    assert_eq!(event["iodebeziumorigin"], "pg_\"16399\"");
    assert_eq!(event["iodebeziumoriginlsn"], "23803720");
    assert!(json(&events, None)["iodebeziumorigin"].is_null());
    events.config.debezium_version = DebeziumVersion::V3_3;
    assert_eq!(json(&events, Some(&subscription())).get("iodebeziumorigin"), None);

    let mut rows = table(DebeziumVersion::V3_6, Encoding::Json);
    rows.config.shape = Shape::Flat;
    let part = |written: &str| MetadataField::try_from(written.to_owned()).unwrap();
    rows.config.flat.fields = vec![part("source.origin"), part("origin_lsn:at")];
    rows.config.flat.headers = vec![part("origin")];
    let (value, headers) = inserted(&rows, Some(&subscription()));
    expect![[r#"{"id":7,"name":"a","__source_origin":"pg_\"16399\"","__at":23803720}"#]]
        .assert_eq(&String::from_utf8(value).unwrap());
    assert!(
        headers.contains(&("__origin".to_owned(), "pg_\"16399\"".to_owned())),
        "{headers:?}"
    );
    let (_, headers) = inserted(&rows, None);
    assert!(
        headers.contains(&("__origin".to_owned(), "no value".to_owned())),
        "{headers:?}"
    );
    assert_eq!(part("origin").since(), DebeziumVersion::V3_6);
    assert_eq!(part("lsn").since(), DebeziumVersion::V3_3);
}
