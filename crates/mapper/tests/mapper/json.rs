//! Changes as lines of JSON.

use expect_test::{Expect, expect};
use walcast_mapper::json;
use walcast_pgoutput::Column::{Binary, Null, Text, UnchangedToast};

use crate::table::{Change, INT4, TEXT, Table, context, with_change};

fn check(table: &Table, change: &Change<'_>, expected: Expect) {
    let mut out = b"kept\n".to_vec();
    let written = with_change(change, |change| {
        json::write_change(&table.relation, change, &context(), &mut out)
    });
    let text = String::from_utf8(out).unwrap();
    let text = text.strip_prefix("kept\n").unwrap();
    match written {
        Ok(()) => {
            let line = text.strip_suffix('\n').unwrap();
            assert!(!line.contains('\n'), "a line break inside the line");
            serde_json::from_str::<serde_json::Value>(line).unwrap();
            expected.assert_eq(line);
        }
        Err(error) => {
            assert_eq!(text, "");
            expected.assert_eq(&error.to_string());
        }
    }
}

fn two() -> Table {
    Table::new(&[("id", INT4, -1), ("v", TEXT, -1)])
}

#[test]
fn kinds_of_change() {
    check(
        &two(),
        &Change::Insert(&[Text(b"1"), Null]),
        expect![[
            r#"{"op":"insert","schema":"public","table":"t","lsn":"0/16B3700","commit_lsn":"0/16B3748","xid":4000000000,"ts":"2024-02-29T01:02:03.456789Z","ordinal":7,"before":null,"after":{"id":1,"v":null}}"#
        ]],
    );
    check(
        &two(),
        &Change::UpdateOnly(&[Text(b"1"), UnchangedToast]),
        expect![[
            r#"{"op":"update","schema":"public","table":"t","lsn":"0/16B3700","commit_lsn":"0/16B3748","xid":4000000000,"ts":"2024-02-29T01:02:03.456789Z","ordinal":7,"before":null,"after":{"id":1},"unchanged_toast":["v"]}"#
        ]],
    );
    check(
        &two(),
        &Change::UpdateKey(&[Text(b"1"), Null], &[Text(b"2"), Text(b"v")]),
        expect![[
            r#"{"op":"update","schema":"public","table":"t","lsn":"0/16B3700","commit_lsn":"0/16B3748","xid":4000000000,"ts":"2024-02-29T01:02:03.456789Z","ordinal":7,"before":{"id":1},"after":{"id":2,"v":"v"}}"#
        ]],
    );
    check(
        &two(),
        &Change::UpdateFull(&[Text(b"1"), Null], &[Text(b"1"), Text(b"v")]),
        expect![[
            r#"{"op":"update","schema":"public","table":"t","lsn":"0/16B3700","commit_lsn":"0/16B3748","xid":4000000000,"ts":"2024-02-29T01:02:03.456789Z","ordinal":7,"before":{"id":1,"v":null},"after":{"id":1,"v":"v"}}"#
        ]],
    );
    check(
        &two(),
        &Change::DeleteKey(&[Text(b"1"), Null]),
        expect![[
            r#"{"op":"delete","schema":"public","table":"t","lsn":"0/16B3700","commit_lsn":"0/16B3748","xid":4000000000,"ts":"2024-02-29T01:02:03.456789Z","ordinal":7,"before":{"id":1},"after":null}"#
        ]],
    );
}

#[test]
fn rows_of_unchanged_values_only() {
    let table = Table::new(&[("a", TEXT, -1), ("b", TEXT, -1)]);
    check(
        &table,
        &Change::UpdateOnly(&[UnchangedToast, UnchangedToast]),
        expect![[
            r#"{"op":"update","schema":"public","table":"t","lsn":"0/16B3700","commit_lsn":"0/16B3748","xid":4000000000,"ts":"2024-02-29T01:02:03.456789Z","ordinal":7,"before":null,"after":{},"unchanged_toast":["a","b"]}"#
        ]],
    );
}

#[test]
fn values() {
    let table = Table::new(&[
        ("b", 16, -1),
        ("i", 20, -1),
        ("f", 701, -1),
        ("nan", 701, -1),
        ("big", 700, -1),
        ("n", 1700, -1),
        ("json", 114, -1),
        ("jsonb", 3802, -1),
        ("array", 1007, -1),
        ("ts", 1184, -1),
        ("text \"é", TEXT, -1),
    ]);
    let row = [
        Text(b"t"),
        Text(b"-9223372036854775808"),
        Text(b"1.5"),
        Text(b"NaN"),
        Text(b"1e+10"),
        Text(b"0.10"),
        Text(b"{\"a\":\r\n [1,\n2]}"),
        Text(b"null"),
        Text(b"{1,NULL}"),
        Text(b"2024-02-29 12:34:56+00"),
        Text("line\nbreak \"quoted\" \\ \u{1} é".as_bytes()),
    ];
    check(
        &table,
        &Change::Insert(&row),
        expect![[
            r#"{"op":"insert","schema":"public","table":"t","lsn":"0/16B3700","commit_lsn":"0/16B3748","xid":4000000000,"ts":"2024-02-29T01:02:03.456789Z","ordinal":7,"before":null,"after":{"b":true,"i":-9223372036854775808,"f":1.5,"nan":"NaN","big":1e+10,"n":"0.10","json":{"a":   [1, 2]},"jsonb":null,"array":"{1,NULL}","ts":"2024-02-29 12:34:56+00","text \"é":"line\nbreak \"quoted\" \\ \u0001 é"}}"#
        ]],
    );
}

#[test]
fn errors_leave_nothing_behind() {
    check(
        &two(),
        &Change::Insert(&[Text(b"1")]),
        expect!["a row of public.t has 1 columns where its relation has 2"],
    );
    check(
        &two(),
        &Change::Insert(&[Text(b"1"), Text(b"\xff")]),
        expect!["column v of public.t: the value cannot be written as text: it is not UTF-8"],
    );
    check(
        &two(),
        &Change::Insert(&[Text(b"1"), Binary(b"x")]),
        expect!["column v of public.t: the value cannot be written as text: it has no equivalent in UTF-8"],
    );
}

#[test]
fn a_truncate() {
    let mut out = Vec::new();
    json::write_truncate(&two().relation, &context(), &mut out);
    expect![[r#"
        {"op":"truncate","schema":"public","table":"t","lsn":"0/16B3700","commit_lsn":"0/16B3748","xid":4000000000,"ts":"2024-02-29T01:02:03.456789Z","ordinal":7}
    "#]].assert_eq(&String::from_utf8(out).unwrap());
}
