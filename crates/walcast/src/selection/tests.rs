use std::collections::BTreeMap;

use expect_test::{Expect, expect};
use walcast_delivery::{ChangePosition, TableHistory, TableSchema};
use walcast_mapper::{TableMetadata, TableName};
use walcast_pgoutput::{Lsn, Oid, Relation, RelationColumn, ReplicaIdentity};
use walcast_postgres::{Existing, ExistingColumn, ExistingTable, ExistingType};

use super::unmatched;
use crate::config::parse_for_test;

fn name(text: &str) -> TableName {
    let (namespace, name) = text.split_once('.').unwrap();
    TableName {
        namespace: namespace.to_owned(),
        name: name.to_owned(),
    }
}

fn table(text: &str, columns: &[&str], ancestors: &[&str]) -> ExistingTable {
    let column = |name: &&str| ExistingColumn {
        name: (*name).to_owned(),
        type_name: "text".to_owned(),
    };
    ExistingTable {
        name: name(text),
        columns: columns.iter().map(column).collect(),
        ancestors: ancestors.iter().map(|above| name(above)).collect(),
    }
}

/// `public.archive` is not captured. Changes of the partition of `public.events` are sent as those of the latter, and changes of
/// `public.leaves` as those of its partition.
fn existing() -> Existing {
    Existing {
        tables: vec![
            table("public.users", &["id", "email", "Full Name"], &[]),
            table("public.Orders", &["id", "note"], &[]),
            table("public.archive", &["id"], &[]),
            table("public.events", &["id", "secret"], &[]),
            table("public.events_1", &["id", "secret"], &["public.events"]),
            table("public.leaves", &["id", "secret"], &[]),
            table("public.leaves_1", &["id", "secret"], &["public.leaves"]),
            table("sales.invoices", &["id"], &[]),
        ],
        captured: [
            "public.users",
            "public.Orders",
            "public.events",
            "public.leaves_1",
            "sales.invoices",
        ]
        .map(name)
        .to_vec(),
        types: [("pg_catalog", "numeric"), ("public", "mood")]
            .map(|(namespace, name)| ExistingType {
                namespace: namespace.to_owned(),
                name: name.to_owned(),
            })
            .to_vec(),
    }
}

/// Rows of `public.users` were delivered that had the column `ssn`.
fn history() -> BTreeMap<Oid, TableHistory> {
    let relation = Relation {
        xid: None,
        oid: Oid::new(1),
        namespace: "public".to_owned(),
        name: "users".to_owned(),
        replica_identity: ReplicaIdentity::Default,
        columns: vec![RelationColumn {
            is_key: false,
            name: "ssn".to_owned(),
            type_oid: Oid::new(25),
            type_modifier: -1,
        }],
    };
    let schema = TableSchema {
        since: ChangePosition::of_snapshot(Lsn::new(1)),
        relation,
        metadata: TableMetadata::default(),
    };
    let history = TableHistory {
        schemas: vec![schema],
        missing_since: None,
    };
    BTreeMap::from([(Oid::new(1), history)])
}

/// What is found of a configuration that ends with `tables`.
fn check(tables: &str, expected: &Expect) {
    let text = format!(
        "name = \"shop\"\n[kafka]\nbrokers = \"b:9092\"\n[registry]\nurl = \"http://r:8081\"\n[postgres]\nurl = \"postgres://u@h/d\"\n{tables}"
    );
    let config = parse_for_test(&text, &|_| Err(std::env::VarError::NotPresent)).unwrap();
    let found = unmatched(&config, &existing(), &history());
    let lines = found.iter().map(|one| {
        let kind = if one.is_error() { "error" } else { "warning" };
        format!("{kind} {one}\n")
    });
    expected.assert_eq(&lines.collect::<String>());
}

#[test]
fn patterns_that_match_something_are_not_reported() {
    check(
        r#"exclude = ["public.archive", "public.events_*"]
        [columns]
        include = ["*.*.*"]
        exclude = ["public.users.email", 'public.users."Full Name"']
        propagate_types = ['/.*\.note/']
        propagate_data_types = ["*.*.text"]
        [[columns.mask]]
        columns = ['public."Orders".note', "public.archive.id", "*.*.secret"]
        length = 3
        [[keys]]
        tables = "sales.*"
        columns = ["id"]
        [[dead_letters.rules]]
        tables = "public.users"
        on_error = "dead_letter"
        [types]
        as_text = ["decimal", "public.mood"]
        [[names.routes]]
        pattern = 'shop\.public\.(.*)'
        topic = "all"
        "#,
        &expect![""],
    );
}

#[test]
fn withheld_columns_that_do_not_exist_are_errors() {
    check(
        r#"[columns]
        exclude = ["public.users.emial"]
        [[columns.mask]]
        columns = ["public.users.id", "public.users.full_name", "public.orders.note", "public.events_1.secret",
            "public.leaves.secret"]
        length = 3
        [[columns.hash]]
        columns = ["public.users.x"]
        algorithm = "md5"
        salt = "pepper"
        "#,
        &expect![[r#""#]],
    );
}

#[test]
fn withheld_names_of_tables_that_may_come_are_warnings() {
    check(
        r#"exclude = ["public.user", "audit.*", "public.archives", "public.orders"]
        [columns]
        exclude = ["public.user.email", "public.archive.note", "*.*.emails", "public.users.ssn", '/.*\.ssn/', "shop.invoices.id"]
        "#,
        &expect![[r#""#]],
    );
}

#[test]
fn everything_else_is_a_warning() {
    check(
        r#"[snapshot]
        tables = ["public.userz"]
        [[snapshot.filters]]
        tables = "nowhere.*"
        where = "id > 5"
        [columns]
        include = ["public.users.emial"]
        propagate_types = ["*.*.nope"]
        propagate_data_types = ["*.*.varchar"]
        [[columns.truncate]]
        columns = ["public.users.mail"]
        length = 3
        [[keys]]
        tables = "public.invoices"
        columns = ["id"]
        [[dead_letters.rules]]
        tables = "public.evnts"
        on_error = "dead_letter"
        [types]
        as_text = ["numerik", "public.moods"]
        [[names.routes]]
        pattern = 'shop\.public\.(order)'
        topic = "all"
        "#,
        &expect![[r#""#]],
    );
}
