//! Fields without value in the WAL or in the row: filled as in Debezium, or null.

use apache_avro::Schema;
use expect_test::{Expect, expect};
use walcast_mapper::config::{MissingNotNull, NullWithDefault};
use walcast_pgoutput::Column::{Null, Text};
use walcast_pgoutput::ReplicaIdentity;

use crate::shown;
use crate::table::{Change, INT4, TEXT, Table};

/// `a` is the key, `n` NOT NULL, `d` NOT NULL with a default, `o` has a default only.
fn table() -> Table {
    let mut table = Table::new(&[("a", INT4, -1), ("n", TEXT, -1), ("d", INT4, -1), ("o", INT4, -1)]);
    table.metadata.columns[1].not_null = true;
    table.metadata.columns[2].not_null = true;
    table.metadata.columns[2].default_expression = Some("7".to_owned());
    table.metadata.columns[3].default_expression = Some("8".to_owned());
    table
}

fn check(missing: MissingNotNull, null: NullWithDefault, expected: Expect) {
    let mut table = table();
    table.config.missing_not_null = missing;
    table.config.null_with_default = null;
    let image = |change: &Change<'_>, name: &str| {
        let records = table.records(change).unwrap();
        shown::show(shown::field(records[0].value.as_ref().unwrap(), name))
    };
    let before = image(&Change::DeleteKey(&[Text(b"1"), Null, Null, Null]), "before");
    let after = image(
        &Change::Insert(&[Text(b"1"), Text(b"n"), Text(b"2"), Null]),
        "after",
    );
    expected.assert_eq(&format!("{before} {after}"));
}

#[test]
fn missing_values_are_filled_or_null() {
    use {MissingNotNull as Missing, NullWithDefault as Nulls};
    check(
        Missing::Fill,
        Nulls::Default,
        expect![[r#"{a: 1, n: "", d: 7, o: 8} {a: 1, n: "n", d: 2, o: 8}"#]],
    );
    check(
        Missing::Null,
        Nulls::Default,
        expect![[r#"{a: 1, n: null, d: null, o: null} {a: 1, n: "n", d: 2, o: 8}"#]],
    );
    check(
        Missing::Fill,
        Nulls::Null,
        expect![[r#"{a: 1, n: "", d: 7, o: null} {a: 1, n: "n", d: 2, o: null}"#]],
    );
    check(
        Missing::Null,
        Nulls::Null,
        expect![[r#"{a: 1, n: null, d: null, o: null} {a: 1, n: "n", d: 2, o: null}"#]],
    );
}

/// Only columns outside the replica identity can be missing; key columns never are.
#[test]
fn columns_that_can_be_missing_are_nullable_in_the_schema() {
    let mut table = table();
    table.config.missing_not_null = MissingNotNull::Null;
    let unions = |table: &Table| {
        let plan = table.compile().unwrap();
        let value: serde_json::Value = serde_json::from_str(plan.value_schema().unwrap()).unwrap();
        let row = value["fields"][0]["type"][1]["fields"].as_array().unwrap();
        let can_be_null: Vec<String> = row
            .iter()
            .filter(|field| field["type"].is_array())
            .map(|field| field["name"].as_str().unwrap().to_owned())
            .collect();
        let key = Schema::parse_str(plan.key_schema().unwrap()).unwrap();
        (can_be_null.join(" "), key.canonical_form())
    };
    let key = r#"{"name":"p.public.t.Key","type":"record","fields":[{"name":"a","type":"int"}]}"#;
    assert_eq!(unions(&table), ("n d o".to_owned(), key.to_owned()));
    table.relation.replica_identity = ReplicaIdentity::Full;
    assert_eq!(unions(&table), ("o".to_owned(), key.to_owned()));
    table.relation.replica_identity = ReplicaIdentity::Default;
    table.config.missing_not_null = MissingNotNull::Fill;
    assert_eq!(unions(&table), ("o".to_owned(), key.to_owned()));
}
