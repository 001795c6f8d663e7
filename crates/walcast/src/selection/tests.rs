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
        r#"exclude = ["public.orders"]
        [columns]
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
        &expect![[r#"
            error walcast.toml:8:12: postgres.exclude: "public.orders" matches no table, as unquoted text is folded to lower case, so it withholds nothing; did you mean "\"public\".\"Orders\""?
            error walcast.toml:10:20: columns.exclude: "public.users.emial" matches no column of public.users, so it withholds nothing (end it with * if the column was dropped or will be added); did you mean "public.users.email"?
            error walcast.toml:12:39: columns.mask.columns: "public.users.full_name" matches no column of public.users, so it withholds nothing (end it with * if the column was dropped or will be added); did you mean "\"public\".\"users\".\"Full Name\""?
            error walcast.toml:12:65: columns.mask.columns: "public.orders.note" matches no table, as unquoted text is folded to lower case, so it withholds nothing; did you mean "\"public\".\"Orders\".\"note\""?
            error walcast.toml:12:87: columns.mask.columns: "public.events_1.secret" matches only a column of public.events_1, whose changes are sent as those of public.events, so it withholds nothing; did you mean "public.events.secret"?
            error walcast.toml:13:13: columns.mask.columns: "public.leaves.secret" matches only a column of public.leaves, whose changes are sent as those of public.leaves_1, so it withholds nothing; did you mean "public.leaves_1.secret"?
            error walcast.toml:16:20: columns.hash.columns: "public.users.x" matches no column of public.users, so it withholds nothing (end it with * if the column was dropped or will be added); its columns are id, email, Full Name
        "#]],
    );
}

#[test]
fn withheld_names_of_tables_that_may_come_are_warnings() {
    check(
        r#"exclude = ["public.user", "audit.*", "public.archives"]
        [columns]
        exclude = ["public.user.email", "public.archive.note", "*.*.emails", "public.users.ssn", '/.*\.ssn/', "shop.invoices.id"]
        "#,
        &expect![[r#"
            warning walcast.toml:8:12: postgres.exclude: "public.user" matches no table, so it withholds nothing; did you mean "public.users"?
            warning walcast.toml:8:27: postgres.exclude: "audit.*" matches no table, so it withholds nothing
            warning walcast.toml:8:38: postgres.exclude: "public.archives" matches no table, so it withholds nothing; did you mean "public.archive"?
            warning walcast.toml:10:20: columns.exclude: "public.user.email" matches no table, so it withholds nothing; did you mean "public.users.email"?
            warning walcast.toml:10:41: columns.exclude: "public.archive.note" matches no column of public.archive, so it withholds nothing; its columns are id
            warning walcast.toml:10:64: columns.exclude: "*.*.emails" matches no column, so it withholds nothing; did you mean column "email"?
            warning walcast.toml:10:78: columns.exclude: "public.users.ssn" matches no column of public.users any more; rows in WAL may still have it
            warning walcast.toml:10:98: columns.exclude: "/.*\\.ssn/" matches no column, so it withholds nothing
            warning walcast.toml:10:111: columns.exclude: "shop.invoices.id" matches no table, so it withholds nothing; did you mean "sales.invoices.id"?
        "#]],
    );
}

#[test]
fn other_patterns_are_warnings() {
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
        &expect![[r#"
            warning walcast.toml:14:20: columns.include: "public.users.emial" matches no column of public.users; did you mean "public.users.email"?
            warning walcast.toml:15:28: columns.propagate_types: "*.*.nope" matches no column; did you mean column "note"?
            warning walcast.toml:16:33: columns.propagate_data_types: "*.*.varchar" matches no column
            warning walcast.toml:18:20: columns.truncate.columns: "public.users.mail" matches no column of public.users; did you mean "public.users.email"?
            warning walcast.toml:9:19: snapshot.tables: "public.userz" matches no table; did you mean "public.users"?
            warning walcast.toml:11:9: snapshot.filters.tables: "nowhere.*" matches no table
            warning walcast.toml:21:9: keys.tables: "public.invoices" matches no table; did you mean "sales.invoices"?
            warning walcast.toml:24:9: dead_letters.rules.tables: "public.evnts" matches no table; did you mean "public.events"?
            warning walcast.toml:27:20: types.as_text: "numerik" is the name of no type of the database; did you mean "numeric"?
            warning walcast.toml:27:31: types.as_text: "public.moods" is the name of no type of the database; did you mean "public.mood"?
            warning walcast.toml:29:9: names.routes.pattern: "shop\\.public\\.(order)" matches the topic of no captured table
        "#]],
    );
}
