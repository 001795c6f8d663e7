//! Columns that are excluded, masked, truncated or hashed.

use expect_test::{Expect, expect};
use serde_json::json;
use walcast_mapper::config::ColumnSettings;
use walcast_mapper::{TableName, TypeKind, TypeMetadata};
use walcast_pgoutput::Column::{Binary, Null, Text, UnchangedToast};
use walcast_pgoutput::Oid;

use crate::shown;
use crate::table::{Change, INT4, TEXT, Table};

const BYTEA: u32 = 17;
const VARCHAR: u32 = 1043;
const MOOD: u32 = 20_000;

fn with_columns(columns: serde_json::Value) -> Table {
    let mut table = Table::new(&[
        ("id", INT4, -1),
        ("email", TEXT, -1),
        ("code", VARCHAR, 8 + 4),
        ("photo", BYTEA, -1),
    ]);
    table.metadata.columns[2].not_null = true;
    table.config.tombstones_on_delete = false;
    table.config.columns = serde_json::from_value(columns).unwrap();
    table
}

fn check(table: &Table, change: &Change<'_>, expected: Expect) {
    let text = match table.records(change) {
        Err(error) => error.to_string(),
        Ok(records) => {
            let value = records[0].value.as_ref().unwrap();
            let part = |name| shown::show(shown::field(value, name));
            let key = records[0].key.as_ref().map_or("no key".to_owned(), shown::show);
            format!("{key} {} -> {}", part("before"), part("after"))
        }
    };
    expected.assert_eq(&text);
}

/// The fields of rows, except those with nothing but a type.
fn check_schema(table: &Table, expected: Expect) {
    let plan = table.compile().unwrap();
    let schema: serde_json::Value = serde_json::from_str(plan.value_schema().unwrap()).unwrap();
    let row = &schema["fields"][0]["type"][1]["fields"];
    let fields = row.as_array().unwrap().iter().filter_map(|field| {
        let text = field.to_string();
        text.contains("connect.parameters")
            .then(|| format!("{} {}", field["name"], field["type"]))
    });
    expected.assert_eq(&fields.collect::<Vec<_>>().join("\n"));
}

const ROW: [walcast_pgoutput::Column<'static>; 4] = [
    Text(b"1"),
    Text(b"ann@example"),
    Text(b"abcdefgh"),
    Text(b"\\x0102030405"),
];

#[test]
fn values_have_the_included_columns() {
    let insert = Change::Insert(&ROW);
    let included = with_columns(json!({"include": ["public.t.email", "/.*\\.CODE/"]}));
    check(
        &included,
        &insert,
        expect![[r#"{id: 1} null -> {email: "ann@example", code: "abcdefgh"}"#]],
    );
    let excluded = with_columns(json!({"include": ["*.*.*"], "exclude": ["public.*.photo", "*.*.em*"]}));
    check(
        &excluded,
        &insert,
        expect![[r#"{id: 1} null -> {id: 1, code: "abcdefgh"}"#]],
    );
    // An excluded column may have a name that Avro rejects.
    let mut odd = with_columns(json!({"exclude": ["*.*.\"e mail\""]}));
    odd.relation.columns[1].name = "e mail".to_owned();
    check(
        &odd,
        &insert,
        expect![[r#"{id: 1} null -> {id: 1, code: "abcdefgh", photo: x0102030405}"#]],
    );
    // Columns after an excluded one keep their places, also where values come from the old row.
    check(
        &excluded,
        &Change::UpdateFull(
            &ROW,
            &[Text(b"1"), UnchangedToast, UnchangedToast, UnchangedToast],
        ),
        expect![[r#"{id: 1} {id: 1, code: "abcdefgh"} -> {id: 1, code: "abcdefgh"}"#]],
    );
}

#[test]
fn keys_keep_columns_excluded_from_values() {
    let table = with_columns(json!({"exclude": ["*.*.id"]}));
    let plan = table.compile().unwrap();
    // Debezium has no metadata of columns that it does not send.
    expect![[r#"{"type":"record","name":"Key","namespace":"p.public.t","fields":[{"name":"id","type":["null","int"],"default":null}],"connect.name":"p.public.t.Key"}"#]]
        .assert_eq(plan.key_schema().unwrap());
    check(
        &table,
        &Change::Insert(&ROW),
        expect![[r#"{id: 1} null -> {email: "ann@example", code: "abcdefgh", photo: x0102030405}"#]],
    );
}

#[test]
fn masks_replace_every_text_and_null() {
    let mask = json!({"mask": [{"columns": ["*.*.email", "*.*.code"], "length": 3}]});
    let table = with_columns(mask);
    check(
        &table,
        &Change::Insert(&ROW),
        expect![[r#"{id: 1} null -> {id: 1, email: "***", code: "***", photo: x0102030405}"#]],
    );
    check(
        &table,
        &Change::Insert(&[Text(b"1"), Text(b"\xFF"), Binary(b"\x81"), Null]),
        expect![[r#"{id: 1} null -> {id: 1, email: "***", code: "***", photo: null}"#]],
    );
    check(
        &table,
        &Change::UpdateOnly(&[Text(b"1"), Null, UnchangedToast, Null]),
        expect![[r#"{id: 1} null -> {id: 1, email: "***", code: "***", photo: null}"#]],
    );
    check(
        &table,
        &Change::DeleteKey(&[Text(b"1"), Null, Null, Null]),
        expect![[r#"{id: 1} {id: 1, email: "***", code: "***", photo: null} -> null"#]],
    );
    check_schema(
        &table,
        expect![[r#"
            "email" ["null",{"type":"string","connect.parameters":{"masked":"true"}}]
            "code" {"type":"string","connect.parameters":{"masked":"true"}}"#]],
    );
}

#[test]
fn hashes_are_truncated_to_the_column_and_keep_null() {
    let table = with_columns(json!({"hash": [
        {"columns": ["*.*.email", "*.*.code"], "algorithm": "sha256", "salt": "CzQMA0cB5K", "version": "v1"},
    ]}));
    check(
        &table,
        &Change::Insert(&[Text(b"1"), Text(b"hello"), Text(b"hello"), Null]),
        expect![[
            r#"{id: 1} null -> {id: 1, email: "b4d39ab0d198fb4cac8b2f023da74f670bcaf192dcc79b5d6361b7ae6b2fafdf", code: "b4d39ab0", photo: null}"#
        ]],
    );
    // A missing value is null in a nullable column and the hash of the empty text elsewhere; the placeholder is hashed
    // too.
    check(
        &table,
        &Change::DeleteKey(&[Text(b"1"), Null, Null, Null]),
        expect![[r#"{id: 1} {id: 1, email: null, code: "7b061bc7", photo: null} -> null"#]],
    );
    check(
        &table,
        &Change::UpdateOnly(&[Text(b"1"), UnchangedToast, Text(b"hello"), Null]),
        expect![[
            r#"{id: 1} null -> {id: 1, email: "296a90bf4bbab137251d338217c3af14a135f175daedc7c39aacd0b8a408ba6d", code: "b4d39ab0", photo: null}"#
        ]],
    );
    assert!(
        !format!("{:?}", table.config).contains("CzQMA0cB5K"),
        "the salt is shown"
    );
}

#[test]
fn enums_are_hashed_and_keep_their_labels() {
    let mut table = with_columns(json!({"hash": [
        {"columns": ["*.*.email"], "algorithm": "md5", "salt": "salt"},
    ]}));
    let mood = Oid::new(MOOD);
    table.relation.columns[1].type_oid = mood;
    table.metadata.columns[1].type_oid = mood;
    let labels = ["hello", "world"].map(str::to_owned).to_vec();
    table.metadata.types.insert(
        mood,
        TypeMetadata {
            namespace: "public".to_owned(),
            name: "mood".to_owned(),
            kind: TypeKind::Enum { labels },
        },
    );
    check(
        &table,
        &Change::Insert(&[Text(b"1"), Text(b"world"), Text(b"x"), Null]),
        expect![[
            r#"{id: 1} null -> {id: 1, email: "172c8e95398cc72ab5358ead6981e7e5", code: "x", photo: null}"#
        ]],
    );
    check(
        &table,
        &Change::Insert(&[Text(b"1"), Text(b"new"), Text(b"x"), Null]),
        expect![
            "column email of public.t holds a label that enum type 20000 did not have when its schema was made"
        ],
    );
}

#[test]
fn text_and_bytes_are_truncated() {
    let truncate = |length: u32| json!({"truncate": [{"columns": ["*.*.*"], "length": length}]});
    let table = with_columns(truncate(4));
    check(
        &table,
        &Change::Insert(&ROW),
        expect![[r#"{id: 1} null -> {id: 1, email: "ann@", code: "abcd", photo: x01020304}"#]],
    );
    check(
        &table,
        &Change::UpdateOnly(&[Text(b"1"), UnchangedToast, Text(b"a"), Null]),
        expect![[r#"{id: 1} null -> {id: 1, email: "__de", code: "a", photo: null}"#]],
    );
    check_schema(
        &table,
        expect![[r#"
            "id" {"type":"int","connect.parameters":{"truncateLength":"4"}}
            "email" ["null",{"type":"string","connect.parameters":{"truncateLength":"4"}}]
            "code" {"type":"string","connect.parameters":{"truncateLength":"4"}}
            "photo" ["null",{"type":"bytes","connect.parameters":{"truncateLength":"4"}}]"#]],
    );
    // A column that cannot exceed the length stays unchanged.
    check_schema(
        &with_columns(truncate(10)),
        expect![[r#"
            "email" ["null",{"type":"string","connect.parameters":{"truncateLength":"10"}}]
            "photo" ["null",{"type":"bytes","connect.parameters":{"truncateLength":"10"}}]"#]],
    );
}

#[test]
fn schemas_propagate_configured_types() {
    let table = with_columns(json!({
        "propagate_types": ["*.*.id"],
        "propagate_data_types": ["/.*\\.VARCHAR/"],
        "mask": [{"columns": ["*.*.email"], "length": 1}],
    }));
    check_schema(
        &table,
        expect![[r#"
            "id" {"type":"int","connect.parameters":{"__debezium.source.column.type":"INT4","__debezium.source.column.length":"10","__debezium.source.column.scale":"0","__debezium.source.column.name":"id"}}
            "email" ["null",{"type":"string","connect.parameters":{"masked":"true"}}]
            "code" {"type":"string","connect.parameters":{"__debezium.source.column.type":"VARCHAR","__debezium.source.column.length":"8","__debezium.source.column.scale":"0","__debezium.source.column.name":"code"}}"#]],
    );
    let both = with_columns(json!({
        "propagate_types": ["*.*.*"],
        "hash": [{"columns": ["*.*.email"], "algorithm": "md5", "salt": "salt"}],
    }));
    check(
        &both,
        &Change::Insert(&[Text(b"1"), Text(b"hello"), Text(b"x"), Null]),
        expect![[
            r#"{id: 1} null -> {id: 1, email: "06decc8b095724f80103712c235586be", code: "x", photo: null}"#
        ]],
    );
}

#[test]
fn columns_that_cannot_be_masked_are_rejected() {
    let mask = |columns: &str| json!({"mask": [{"columns": [columns], "length": 3}]});
    check(
        &with_columns(mask("*.*.photo")),
        &Change::Insert(&ROW),
        expect![
            "column photo of public.t is chosen by columns.mask, which is for text; exclude the column if its values are not to be sent"
        ],
    );
    let both = with_columns(json!({
        "mask": [{"columns": ["*.*.email"], "length": 3}],
        "truncate": [{"columns": ["*.*.*"], "length": 3}],
    }));
    check(
        &both,
        &Change::Insert(&ROW),
        expect![
            "column email of public.t is chosen by columns.truncate and by columns.mask; a column's values can be changed by one only"
        ],
    );
}

#[test]
fn columns_that_are_to_be_withheld_and_do_not_exist_are_found() {
    let settings: ColumnSettings = serde_json::from_value(json!({
        "include": ["public.t.gone"],
        "exclude": ["public.t.id", "public.t.gone", "public.other.gone", "*.*.gone", "/public.t.gone/"],
        "mask": [{"columns": ["public.t.\"Name\"", "public.t.name"], "length": 2}],
        "truncate": [{"columns": ["public.t.gone"], "length": 2}],
        "hash": [{"columns": ["public.t.mail"], "algorithm": "md5", "salt": "s"}],
    }))
    .unwrap();
    let table = Table::new(&[("id", INT4, -1), ("name", TEXT, -1)]);
    let name = TableName::from(&table.relation);
    let found: Vec<String> = settings
        .withholding_nothing(&name, &table.relation.columns)
        .map(|(setting, pattern)| format!("{setting} {pattern}"))
        .collect();
    assert_eq!(
        found,
        [
            "columns.exclude public.t.gone",
            "columns.mask public.t.\"Name\"",
            "columns.hash public.t.mail"
        ]
    );
}
