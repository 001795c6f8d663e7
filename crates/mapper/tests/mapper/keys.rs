//! Configured keys, and the replica identity that they require.

use expect_test::{Expect, expect};
use serde_json::json;
use walcast_pgoutput::Column::{Null, Text};
use walcast_pgoutput::ReplicaIdentity;

use crate::shown;
use crate::table::{Change, INT4, TEXT, Table};

fn with_keys(keys: serde_json::Value) -> Table {
    let mut table = Table::new(&[("id", INT4, -1), ("tenant", INT4, -1), ("name", TEXT, -1)]);
    table.metadata.columns[1].not_null = true;
    table.config.keys = serde_json::from_value(keys).unwrap();
    table
}

fn check(table: &Table, change: &Change<'_>, expected: Expect) {
    let text = match table.records(change) {
        Err(error) => error.to_string(),
        Ok(records) => {
            let shown = records.iter().map(|record| {
                let key = record.key.as_ref().map_or("no key".to_owned(), shown::show);
                let op = record.value.as_ref().map_or("tombstone".to_owned(), |value| {
                    shown::show(shown::field(value, "op"))
                });
                let moved = record.headers.iter().filter(|(name, _)| name.contains("key"));
                let moved: Vec<_> = moved.map(|(name, value)| format!(" {name}={value}")).collect();
                format!("{key} {op}{}", moved.concat())
            });
            shown.collect::<Vec<_>>().join("\n")
        }
    };
    expected.assert_eq(&text);
}

const ROW: [walcast_pgoutput::Column<'static>; 3] = [Text(b"1"), Text(b"7"), Text(b"n")];

#[test]
fn a_key_has_the_columns_of_all_its_rules_in_their_order() {
    let insert = Change::Insert(&ROW);
    let mut table = with_keys(json!([
        {"tables": "public.*", "columns": ["tenant", "id"]},
        {"tables": "/.*\\.T/", "columns": ["/na.*/", "id"]},
        {"tables": "other.*", "columns": ["nothing"]},
    ]));
    table.relation.replica_identity = ReplicaIdentity::Full;
    check(&table, &insert, expect![[r#"{tenant: 7, id: 1, name: "n"} "c""#]]);
    let unconcerned = with_keys(json!([{"tables": "public.u", "columns": ["name"]}]));
    check(&unconcerned, &insert, expect![[r#"{id: 1} "c""#]]);
}

#[test]
fn a_missing_key_column_is_an_error() {
    let table = with_keys(json!([{"tables": "public.*", "columns": ["id", "region*"]}]));
    let expected =
        expect![[r#"public.t has no column for "region*", which is configured as part of its key"#]];
    check(&table, &Change::Insert(&ROW), expected);
}

#[test]
fn keys_outside_the_replica_identity_are_rejected() {
    let keys = json!([{"tables": "public.t", "columns": ["tenant", "name"]}]);
    let mut table = with_keys(keys);
    let insert = Change::Insert(&ROW);
    check(
        &table,
        &insert,
        expect![
            "columns tenant, name of public.t is part of its configured key, but the WAL does not contain it for a deleted row"
        ],
    );
    let complete = || expect![[r#"{tenant: 7, name: "n"} "c""#]];
    // The whole row, an index over the key, or no identity, with which the server rejects deletes.
    table.relation.replica_identity = ReplicaIdentity::Full;
    check(&table, &insert, complete());
    table.relation.replica_identity = ReplicaIdentity::Nothing;
    check(&table, &insert, complete());
    table.relation.replica_identity = ReplicaIdentity::Index;
    for (column, is_key) in table.relation.columns.iter_mut().zip([false, true, true]) {
        column.is_key = is_key;
    }
    check(&table, &insert, complete());
    // A table without replica identity accepts inserts only.
    table.relation.replica_identity = ReplicaIdentity::Default;
    for column in &mut table.relation.columns {
        column.is_key = false;
    }
    check(&table, &insert, complete());
}

#[test]
fn missing_key_columns_are_filled_as_in_debezium() {
    let mut table =
        with_keys(json!([{"tables": "public.t", "columns": ["id", "tenant", "name"], "missing": "fill"}]));
    check(
        &table,
        &Change::DeleteKey(&[Text(b"1"), Null, Null]),
        expect![[r#"
            {id: 1, tenant: 0, name: null} "d"
            {id: 1, tenant: 0, name: null} tombstone"#]],
    );
    table.config.tombstones_on_delete = false;
    let moved = Change::UpdateKey(&[Text(b"1"), Null, Null], &[Text(b"2"), Text(b"7"), Text(b"n")]);
    check(
        &table,
        &moved,
        expect![[r#"
            {id: 1, tenant: 0, name: null} "d" __debezium.newkey={"id":2,"tenant":7,"name":"n"}
            {id: 2, tenant: 7, name: "n"} "c" __debezium.oldkey={"id":1,"tenant":0,"name":null}"#]],
    );
}

#[test]
fn every_identity_has_its_key() {
    let shown = |identity, flags: [bool; 3], old: &Change<'_>| {
        let mut table = with_keys(json!([]));
        table.config.tombstones_on_delete = false;
        table.relation.replica_identity = identity;
        for (column, is_key) in table.relation.columns.iter_mut().zip(flags) {
            column.is_key = is_key;
        }
        let records = table.records(old).unwrap();
        let key = records[0].key.as_ref().map_or("no key".to_owned(), shown::show);
        let before = shown::field(records[0].value.as_ref().unwrap(), "before");
        format!("{key} {}", shown::show(before))
    };
    let full = Change::DeleteFull(&ROW);
    expect![[r#"{id: 1} {id: 1, tenant: 7, name: "n"}"#]].assert_eq(&shown(
        ReplicaIdentity::Full,
        [true; 3],
        &full,
    ));
    let by_id = Change::DeleteKey(&[Text(b"1"), Null, Null]);
    expect!["{id: 1} {id: 1, tenant: 0, name: null}"].assert_eq(&shown(
        ReplicaIdentity::Default,
        [true, false, false],
        &by_id,
    ));
    let by_index = Change::DeleteKey(&[Null, Text(b"7"), Text(b"n")]);
    expect![[r#"{tenant: 7, name: "n"} {id: 0, tenant: 7, name: "n"}"#]].assert_eq(&shown(
        ReplicaIdentity::Index,
        [false, true, true],
        &by_index,
    ));
    // The server allows changes of such a table only if the publication does not publish updates and deletes.
    let insert = Change::Insert(&ROW);
    expect!["{id: 1} null"].assert_eq(&shown(ReplicaIdentity::Nothing, [false; 3], &insert));
}

/// A key of which the server sends a part only, or nothing.
#[test]
fn a_key_that_is_not_sent_is_no_key() {
    for flags in [[true, false, false], [false; 3]] {
        let mut table = with_keys(json!([]));
        table.metadata.key_columns = vec!["id".to_owned(), "code".to_owned()];
        table.metadata.unsent_key_columns = vec!["code".to_owned()];
        for (column, is_key) in table.relation.columns.iter_mut().zip(flags) {
            column.is_key = is_key;
        }
        check(
            &table,
            &Change::Insert(&ROW),
            expect![
                "the key of public.t contains generated columns (code) that the server does not send: records of different rows would have the same key"
            ],
        );
        table.config.keys =
            serde_json::from_value(json!([{"tables": "public.t", "columns": ["id", "name"]}])).unwrap();
        let columns = if flags[0] {
            "column name"
        } else {
            "columns id, name"
        };
        let outside = format!(
            "{columns} of public.t is part of its configured key, but the WAL does not contain it for a deleted row"
        );
        assert_eq!(table.compile().unwrap_err().to_string(), outside);
        table.relation.replica_identity = ReplicaIdentity::Full;
        check(
            &table,
            &Change::Insert(&ROW),
            expect![[r#"{id: 1, name: "n"} "c""#]],
        );
    }
}
