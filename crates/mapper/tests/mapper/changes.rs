//! Changes of every kind: their records and keys, and the state after a failure.

use expect_test::{Expect, expect};
use walcast_mapper::config::FieldAdjustment;
use walcast_mapper::{MapError, RecordBuffer, TypeKind, TypeMetadata};
use walcast_pgoutput::Column::{Binary, Null, Text, UnchangedToast};
use walcast_pgoutput::{Oid, ReplicaIdentity};

use crate::shown;
use crate::table::{Change, INT4, TEXT, Table, encode_change};

fn check(table: &Table, change: &Change<'_>, expected: Expect) {
    let text = match table.records(change) {
        Ok(records) => {
            let lines = records.iter().map(|record| {
                let key = record.key.as_ref().map_or("no key".to_owned(), shown::show);
                let value = record.value.as_ref().map_or("tombstone".to_owned(), |value| {
                    let part = |name| shown::show(shown::field(value, name));
                    format!("{} {} -> {}", part("op"), part("before"), part("after"))
                });
                let headers = record
                    .headers
                    .iter()
                    .filter(|(name, _)| !name.contains("context"));
                let headers: Vec<String> = headers.map(|(name, value)| format!("{name}={value}")).collect();
                format!("{key}: {value} [{}]", headers.join(" "))
            });
            lines.collect::<Vec<_>>().join("\n")
        }
        Err(error) => error.to_string(),
    };
    expected.assert_eq(&text);
}

fn items() -> Table {
    let mut table = Table::new(&[("a", INT4, -1), ("b", TEXT, -1), ("c", TEXT, -1)]);
    table.metadata.columns[2].not_null = true;
    table
}

#[test]
fn inserts_updates_deletes() {
    let table = items();
    check(
        &table,
        &Change::Insert(&[Text(b"1"), Null, Text(b"c")]),
        expect![[r#"{a: 1}: "c" null -> {a: 1, b: null, c: "c"} [walcast.id=0/16B3748/7]"#]],
    );
    check(
        &table,
        &Change::UpdateOnly(&[Text(b"1"), Text(b"b"), Text(b"c")]),
        expect![[r#"{a: 1}: "u" null -> {a: 1, b: "b", c: "c"} [walcast.id=0/16B3748/7]"#]],
    );
    check(
        &table,
        &Change::DeleteKey(&[Text(b"1"), Null, Null]),
        expect![[r#"
        {a: 1}: "d" {a: 1, b: null, c: ""} -> null [walcast.id=0/16B3748/7]
        {a: 1}: tombstone [walcast.id=0/16B3748/7.1]"#]],
    );
    check(
        &table,
        &Change::DeleteFull(&[Text(b"1"), Text(b"b"), Text(b"c")]),
        expect![[r#"
        {a: 1}: "d" {a: 1, b: "b", c: "c"} -> null [walcast.id=0/16B3748/7]
        {a: 1}: tombstone [walcast.id=0/16B3748/7.1]"#]],
    );
}

#[test]
fn a_changed_key_is_a_delete_and_a_create() {
    let mut table = items();
    let change = Change::UpdateKey(
        &[Text(b"1"), Null, Null],
        &[Text(b"2"), Text(b"b"), UnchangedToast],
    );
    check(
        &table,
        &change,
        expect![[r#"
        {a: 1}: "d" {a: 1, b: null, c: ""} -> null [__debezium.newkey={"a":2} walcast.id=0/16B3748/7]
        {a: 1}: tombstone [__debezium.newkey={"a":2} walcast.id=0/16B3748/7.1]
        {a: 2}: "c" null -> {a: 2, b: "b", c: "__debezium_unavailable_value"} [__debezium.oldkey={"a":1} walcast.id=0/16B3748/7.2]"#]],
    );
    table.config.tombstones_on_delete = false;
    check(
        &table,
        &change,
        expect![[r#"
        {a: 1}: "d" {a: 1, b: null, c: ""} -> null [__debezium.newkey={"a":2} walcast.id=0/16B3748/7]
        {a: 2}: "c" null -> {a: 2, b: "b", c: "__debezium_unavailable_value"} [__debezium.oldkey={"a":1} walcast.id=0/16B3748/7.1]"#]],
    );
}

#[test]
fn another_text_of_the_same_key_is_an_update() {
    let mut table = Table::new(&[("n", 1700, -1), ("b", TEXT, -1)]);
    table.relation.replica_identity = ReplicaIdentity::Full;
    let change = Change::UpdateFull(&[Text(b"1.0"), Null], &[Text(b"1.00"), Null]);
    check(
        &table,
        &change,
        expect![[
            r#"{n: {scale: 0, value: x01}}: "u" {n: {scale: 0, value: x01}, b: null} -> {n: {scale: 0, value: x01}, b: null} [walcast.id=0/16B3748/7]"#
        ]],
    );
}

#[test]
fn unchanged_values_come_from_the_old_row_where_it_is_known() {
    let mut table = items();
    check(
        &table,
        &Change::UpdateOnly(&[Text(b"1"), UnchangedToast, UnchangedToast]),
        expect![[
            r#"{a: 1}: "u" null -> {a: 1, b: "__debezium_unavailable_value", c: "__debezium_unavailable_value"} [walcast.id=0/16B3748/7]"#
        ]],
    );
    table.relation.replica_identity = ReplicaIdentity::Full;
    let change = Change::UpdateFull(
        &[Text(b"1"), Text(b"old b"), Text(b"old c")],
        &[Text(b"1"), UnchangedToast, UnchangedToast],
    );
    check(
        &table,
        &change,
        expect![[
            r#"{a: 1}: "u" {a: 1, b: "old b", c: "old c"} -> {a: 1, b: "old b", c: "old c"} [walcast.id=0/16B3748/7]"#
        ]],
    );
}

#[test]
fn an_unchanged_toast_key_is_an_error() {
    let table = Table::new(&[("k", TEXT, -1)]);
    check(
        &table,
        &Change::UpdateOnly(&[UnchangedToast]),
        expect!["column k of public.t: the value cannot be written as a key: it was not sent"],
    );
    let change = Change::UpdateKey(&[Text(b"a long key")], &[UnchangedToast]);
    check(
        &table,
        &change,
        expect![[
            r#"{k: "a long key"}: "u" {k: "a long key"} -> {k: "a long key"} [walcast.id=0/16B3748/7]"#
        ]],
    );
}

#[test]
fn relation_messages_take_precedence_over_the_catalog() {
    let row = Change::Insert(&[Text(b"1"), Text(b"b"), Text(b"c")]);
    let mut table = items();
    // The same columns: the catalog has their order.
    table.relation.columns[1].is_key = true;
    table.metadata.key_columns = vec!["b".to_owned(), "a".to_owned()];
    check(
        &table,
        &row,
        expect![[r#"{b: "b", a: 1}: "c" null -> {a: 1, b: "b", c: "c"} [walcast.id=0/16B3748/7]"#]],
    );
    // The key has changed since the message.
    table.metadata.key_columns = vec!["c".to_owned()];
    check(
        &table,
        &row,
        expect![[r#"{a: 1, b: "b"}: "c" null -> {a: 1, b: "b", c: "c"} [walcast.id=0/16B3748/7]"#]],
    );
    // The whole row is flagged: only the catalog has the key.
    table.relation.replica_identity = ReplicaIdentity::Full;
    check(
        &table,
        &row,
        expect![[r#"{c: "c"}: "c" null -> {a: 1, b: "b", c: "c"} [walcast.id=0/16B3748/7]"#]],
    );
    table.metadata.key_columns = vec!["gone".to_owned()];
    check(
        &table,
        &row,
        expect![[r#"no key: "c" null -> {a: 1, b: "b", c: "c"} [walcast.id=0/16B3748/7]"#]],
    );
    // An index that does not cover the primary key.
    table.relation.replica_identity = ReplicaIdentity::Index;
    table.metadata.key_columns = vec!["c".to_owned()];
    check(
        &table,
        &row,
        expect![[r#"{a: 1, b: "b"}: "c" null -> {a: 1, b: "b", c: "c"} [walcast.id=0/16B3748/7]"#]],
    );
    table.metadata.key_columns = vec!["b".to_owned()];
    check(
        &table,
        &row,
        expect![[r#"{b: "b"}: "c" null -> {a: 1, b: "b", c: "c"} [walcast.id=0/16B3748/7]"#]],
    );
}

#[test]
fn columns_unknown_to_the_catalog_are_nullable() {
    let mut table = items();
    table.metadata.columns.clear();
    check(
        &table,
        &Change::Insert(&[Text(b"1"), Null, Null]),
        expect![[r#"{a: 1}: "c" null -> {a: 1, b: null, c: null} [walcast.id=0/16B3748/7]"#]],
    );
}

#[test]
fn metadata_that_a_row_contradicts_are_stale() {
    let error = items()
        .records(&Change::Insert(&[Text(b"1"), Null, Null]))
        .unwrap_err();
    assert!(error.is_stale_metadata());
    expect!["column c of public.t is null, but the catalog says it cannot be"].assert_eq(&error.to_string());

    let mut table = Table::new(&[("a", INT4, -1), ("m", 20_000, -1)]);
    let kind = TypeKind::Enum {
        labels: vec!["old".to_owned()],
    };
    let metadata = TypeMetadata {
        namespace: "public".to_owned(),
        name: "mood".to_owned(),
        kind,
    };
    table.metadata.types.insert(Oid::new(20_000), metadata);
    let error = table
        .records(&Change::Insert(&[Text(b"1"), Text(b"new")]))
        .unwrap_err();
    assert!(error.is_stale_metadata());
    assert!(matches!(error, MapError::UnknownEnumLabel { type_oid, .. } if type_oid == Oid::new(20_000)));
}

#[test]
fn a_failure_leaves_the_buffer_unchanged() {
    let table = items();
    let mut plan = table.compile().unwrap();
    let mut buffer = RecordBuffer::new();
    encode_change(
        &mut plan,
        &Change::Insert(&[Text(b"1"), Null, Text(b"c")]),
        &mut buffer,
    )
    .unwrap();
    let before = format!("{buffer:?}");
    let failures = [
        Change::Insert(&[Text(b"x"), Null, Text(b"c")]),
        Change::Insert(&[Text(b"1"), Null, Null]),
        Change::Insert(&[Text(b"1"), Null]),
        Change::Insert(&[Text(b"1"), Null, Binary(b"c")]),
        // A failure in the last record.
        Change::UpdateKey(&[Text(b"1"), Null, Null], &[Text(b"2"), Null, Null]),
        Change::UpdateKey(&[Text(b"1"), Null], &[Text(b"1"), Null, Text(b"c")]),
        Change::DeleteFull(&[Text(b"1"), Null, Null]),
    ];
    for change in &failures {
        encode_change(&mut plan, change, &mut buffer).unwrap_err();
        assert_eq!(format!("{buffer:?}"), before);
    }
    encode_change(
        &mut plan,
        &Change::DeleteKey(&[Text(b"1"), Null, Null]),
        &mut buffer,
    )
    .unwrap();
    assert_eq!(buffer.record_count(), 3);
}

#[test]
fn names() {
    let compile = |change: &dyn Fn(&mut Table)| {
        let mut table = items();
        change(&mut table);
        table
            .compile()
            .map_or_else(|error| error.to_string(), |plan| plan.topic().to_owned())
    };
    expect!["p.public.T_x__"].assert_eq(&compile(&|table| table.relation.name = "T$x é".to_owned()));
    expect!["p.a.b.t"].assert_eq(&compile(&|table| table.relation.namespace = "a.b".to_owned()));
    expect!["p.public.1st"].assert_eq(&compile(&|table| table.relation.name = "1st".to_owned()));
    expect!["my-shop.public.t"].assert_eq(&compile(&|table| {
        table.config.topic_prefix = "my-shop".to_owned()
    }));
    expect!["p.public.t"].assert_eq(&compile(&|table| {
        table.relation.columns[1].name = "prix é".to_owned()
    }));
    expect![[r#"column "prix é" of public.t cannot be an Avro name: letters, digits and _ only, not beginning with a digit"#]].assert_eq(&compile(&|table| {
        table.config.names.adjust_fields = FieldAdjustment::None;
        table.relation.columns[1].name = "prix é".to_owned();
    }));
    expect![[r#"columns "c" and "c" of public.t would both be field c"#]]
        .assert_eq(&compile(&|table| table.relation.columns[1].name = "c".to_owned()));
    // Avro distinguishes them.
    expect!["p.public.t"].assert_eq(&compile(&|table| table.relation.columns[1].name = "C".to_owned()));
}

#[test]
fn the_source_block() {
    let records = items()
        .records(&Change::Insert(&[Text(b"1"), Null, Text(b"c")]))
        .unwrap();
    let value = records[0].value.as_ref().unwrap();
    let version = env!("CARGO_PKG_VERSION");
    expect![[r#"{version: "VERSION", connector: "postgresql", name: "p", ts_ms: 1709168523456, snapshot: "false", db: "db", sequence: "[\"23803392\",\"23803648\"]", ts_us: 1709168523456789, ts_ns: 1709168523456789000, schema: "public", table: "t", txId: 4000000000, lsn: 23803648, xmin: null}"#]].assert_eq(&shown::show(shown::field(value, "source")).replace(version, "VERSION"));
    expect!["1709168523999 1709168523999888 1709168523999888777"].assert_eq(
        &["ts_ms", "ts_us", "ts_ns"]
            .map(|name| shown::show(shown::field(value, name)))
            .join(" "),
    );
    expect![[r#"[("__debezium.context.connectorLogicalName", "p"), ("__debezium.context.taskId", "0"), ("__debezium.context.connectorName", "postgresql"), ("walcast.id", "0/16B3748/7")]"#]].assert_eq(&format!("{:?}", records[0].headers));
}
