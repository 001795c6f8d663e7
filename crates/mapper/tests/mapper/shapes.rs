//! Records in other encodings and shapes than Debezium's envelope in Avro.

use expect_test::{Expect, expect};
use serde_json::Value;
use walcast_mapper::config::{Encoding, FlatDeletes, MetadataField, Shape};
use walcast_mapper::{MapError, Plan, RecordBuffer};
use walcast_pgoutput::Column::{Null, Text};

use crate::table::{Change, INT4, TEXT, Table, encode_change};

const JSON_NUMERIC: u32 = 1700;
const NUMERIC_10_2: i32 = (10 << 16 | 2) + 4;
const BYTEA: u32 = 17;

fn table(shape: Shape, value: Encoding) -> Table {
    let mut table = Table::new(&[
        ("id", INT4, -1),
        ("name", TEXT, -1),
        ("price", JSON_NUMERIC, NUMERIC_10_2),
        ("raw", BYTEA, -1),
    ]);
    table.config.shape = shape;
    table.config.key = Encoding::Json;
    table.config.value = value;
    table
}

fn fields(written: &[&str]) -> Vec<MetadataField> {
    let read = |field: &&str| MetadataField::try_from((*field).to_owned()).unwrap();
    written.iter().map(read).collect()
}

/// Records of one change, one per line: key, value, and headers other than those of every record.
fn lines(plan: &mut Plan, change: &Change<'_>) -> String {
    let mut buffer = RecordBuffer::new();
    encode_change(plan, change, &mut buffer).unwrap();
    let text = |bytes: Option<&[u8]>| match bytes {
        Some(bytes) => String::from_utf8(bytes.to_vec()).unwrap(),
        None => "-".to_owned(),
    };
    let lines = buffer.records().map(|record| {
        for json in [record.key, record.value].into_iter().flatten() {
            serde_json::from_slice::<Value>(json).unwrap();
        }
        let headers: String = record
            .headers()
            .filter(|header| !header.name.contains("context") && header.name != "walcast.id")
            .map(|header| format!(" {}={}", header.name, text(header.value)))
            .collect();
        format!("{} {}{headers}\n", text(record.key), text(record.value))
    });
    lines.collect()
}

fn check(table: &Table, change: &Change<'_>, expected: Expect) {
    expected.assert_eq(&lines(&mut table.compile().unwrap(), change));
}

const ROW: [walcast_pgoutput::Column<'static>; 4] =
    [Text(b"7"), Text(b"a \"b\"\n"), Text(b"1.50"), Text(b"\\x00ff")];
const OLD_KEY: [walcast_pgoutput::Column<'static>; 4] = [Text(b"7"), Null, Null, Null];

#[test]
fn the_envelope_in_json() {
    let table = table(Shape::Debezium, Encoding::Json);
    assert_eq!(table.compile().unwrap().value_schema(), None);
    check(
        &table,
        &Change::Insert(&ROW),
        expect![[r#"
            {"id":7} {"before":null,"after":{"id":7,"name":"a \"b\"\n","price":"AJY=","raw":"AP8="},"source":{"version":"0.1.0","connector":"postgresql","name":"p","ts_ms":1709168523456,"snapshot":"false","db":"db","sequence":"[\"23803392\",\"23803648\"]","ts_us":1709168523456789,"ts_ns":1709168523456789000,"schema":"public","table":"t","txId":4000000000,"lsn":23803648,"xmin":null},"transaction":null,"op":"c","ts_ms":1709168523999,"ts_us":1709168523999888,"ts_ns":1709168523999888777}
        "#]],
    );
    check(
        &table,
        &Change::DeleteKey(&OLD_KEY),
        expect![[r#"
            {"id":7} {"before":{"id":7,"name":null,"price":null,"raw":null},"after":null,"source":{"version":"0.1.0","connector":"postgresql","name":"p","ts_ms":1709168523456,"snapshot":"false","db":"db","sequence":"[\"23803392\",\"23803648\"]","ts_us":1709168523456789,"ts_ns":1709168523456789000,"schema":"public","table":"t","txId":4000000000,"lsn":23803648,"xmin":null},"transaction":null,"op":"d","ts_ms":1709168523999,"ts_us":1709168523999888,"ts_ns":1709168523999888777}
            {"id":7} -
        "#]],
    );
}

#[test]
fn json_with_its_schema() {
    let mut table = table(Shape::Flat, Encoding::JsonSchema);
    table.config.key = Encoding::JsonSchema;
    table.metadata.columns[2].default_expression = Some("1.00".to_owned());
    check(
        &table,
        &Change::Insert(&[Text(b"7"), Null, Null, Null]),
        expect![[r#"
            {"schema":{"type":"struct","fields":[{"type":"int32","optional":false,"field":"id"}],"optional":false,"name":"p.public.t.Key"},"payload":{"id":7}} {"schema":{"type":"struct","fields":[{"type":"int32","optional":false,"field":"id"},{"type":"string","optional":true,"field":"name"},{"type":"bytes","optional":true,"name":"org.apache.kafka.connect.data.Decimal","version":1,"parameters":{"scale":"2","connect.decimal.precision":"10"},"default":"ZA==","field":"price"},{"type":"bytes","optional":true,"field":"raw"}],"optional":false,"name":"p.public.t.Value"},"payload":{"id":7,"name":null,"price":"ZA==","raw":null}}
        "#]],
    );
}

#[test]
fn flat_rows_and_their_deletes() {
    let mut table = table(Shape::Flat, Encoding::Json);
    check(
        &table,
        &Change::Insert(&ROW),
        expect![[r#"
            {"id":7} {"id":7,"name":"a \"b\"\n","price":"AJY=","raw":"AP8="}
        "#]],
    );
    let mut deleted = |deletes, expected: Expect| {
        table.config.flat.deletes = deletes;
        table.config.flat.headers = fields(&["op", "lsn"]);
        check(&table, &Change::DeleteKey(&OLD_KEY), expected);
    };
    deleted(
        FlatDeletes::Tombstone,
        expect![[r#"
            {"id":7} - __op=d __lsn=23803648
        "#]],
    );
    deleted(
        FlatDeletes::DeleteToTombstone,
        expect![[r#"
            {"id":7} - __op=d __lsn=23803648
        "#]],
    );
    deleted(FlatDeletes::Drop, expect![""]);
    deleted(
        FlatDeletes::Rewrite,
        expect![[r#"
            {"id":7} {"id":7,"name":null,"price":null,"raw":null,"__deleted":"true"} __op=d __lsn=23803648
        "#]],
    );
    deleted(
        FlatDeletes::RewriteWithTombstone,
        expect![[r#"
            {"id":7} {"id":7,"name":null,"price":null,"raw":null,"__deleted":"true"} __op=d __lsn=23803648
            {"id":7} - __op=d __op=d
        "#]],
    );
}

#[test]
fn flat_rows_have_the_configured_fields() {
    let mut table = table(Shape::Flat, Encoding::Json);
    table.config.flat.fields = fields(&[
        "op",
        "ts_ms",
        "source.ts_us",
        "sequence",
        "xmin",
        "table:relation",
    ]);
    table.config.flat.fields_prefix = "_".to_owned();
    table.config.flat.headers = fields(&["source.db", "sequence", "xmin", "ts_ns"]);
    check(
        &table,
        &Change::UpdateOnly(&ROW),
        expect![[r#"
            {"id":7} {"id":7,"name":"a \"b\"\n","price":"AJY=","raw":"AP8=","_op":"u","_ts_ms":1709168523999,"_source_ts_us":1709168523456789,"_sequence":"[\"23803392\",\"23803648\"]","_xmin":null,"_relation":"t"} __source_db=db __sequence=["23803392","23803648"] __xmin=- __ts_ns=1709168523999888777
        "#]],
    );
}

#[test]
fn flat_rows_in_avro_are_read_by_an_independent_decoder() {
    let mut table = table(Shape::Flat, Encoding::Avro);
    table.config.key = Encoding::Avro;
    table.config.flat.deletes = FlatDeletes::Rewrite;
    table.config.flat.fields = fields(&["op", "lsn", "xmin"]);
    let records = table.records(&Change::Insert(&ROW)).unwrap();
    let value = crate::shown::show(records[0].value.as_ref().unwrap());
    expect![[r#"{id: 7, name: "a \"b\"\n", price: 150e, raw: x00ff, __deleted: "false", __op: "c", __lsn: 23803648, __xmin: null}"#]]
        .assert_eq(&value);
}

#[test]
fn cloud_events() {
    check(
        &table(Shape::CloudEvents, Encoding::Json),
        &Change::Insert(&ROW),
        expect![[r#"
            {"id":7} {"id":"name:p;lsn:23803648;txId:4000000000;sequence:[\"23803392\",\"23803648\"]","source":"/debezium/postgresql/p","specversion":"1.0","type":"io.debezium.connector.postgresql.DataChangeEvent","time":"2024-02-29T01:02:03.456Z","datacontenttype":"application/json","iodebeziumop":"c","iodebeziumversion":"0.1.0","iodebeziumconnector":"postgresql","iodebeziumname":"p","iodebeziumtsms":"1709168523456","iodebeziumsnapshot":"false","iodebeziumdb":"db","iodebeziumsequence":"[\"23803392\",\"23803648\"]","iodebeziumtsus":"1709168523456789","iodebeziumtsns":"1709168523456789000","iodebeziumschema":"public","iodebeziumtable":"t","iodebeziumtxId":"4000000000","iodebeziumlsn":"23803648","iodebeziumxmin":null,"iodebeziumtxid":null,"iodebeziumtxtotalorder":null,"iodebeziumtxdatacollectionorder":null,"data":{"before":null,"after":{"id":7,"name":"a \"b\"\n","price":"AJY=","raw":"AP8="}}}
        "#]],
    );
    let with_schema = table(Shape::CloudEvents, Encoding::JsonSchema);
    let line = lines(&mut with_schema.compile().unwrap(), &Change::Insert(&ROW));
    let value: Value = serde_json::from_str(line.split_once(' ').unwrap().1).unwrap();
    assert_eq!(value["data"]["payload"]["after"]["id"], 7);
    assert_eq!(
        value["data"]["schema"]["name"],
        "io.debezium.connector.postgresql.Data"
    );
}

#[test]
fn cloud_events_are_not_avro() {
    let refused = table(Shape::CloudEvents, Encoding::Avro).compile();
    assert!(matches!(refused, Err(MapError::CloudEventsInAvro)));
}
