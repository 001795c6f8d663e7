use expect_test::{Expect, expect};
use serde_json::json;
use walcast_delivery::{HashRange, PolledTable, RowKey};
use walcast_mapper::TableMetadata;
use walcast_pgoutput::{Oid, Relation, RelationColumn, ReplicaIdentity};

use super::Statements;
use crate::polling::tables::{FoundTable, MarkColumn, TypedColumn};

fn typed(name: &str, data_type: &str) -> TypedColumn {
    TypedColumn {
        name: name.to_owned(),
        data_type: data_type.to_owned(),
    }
}

/// An outbox whose names have to be quoted.
fn statements(published: &str, category: &str, keys: Vec<TypedColumn>) -> Statements {
    let column = |name: &str| RelationColumn {
        is_key: name == "id",
        name: name.to_owned(),
        type_oid: Oid::new(25),
        type_modifier: -1,
    };
    let rule = json!({
        "tables": "*.*", "source": "poll", "key": "aggregate id",
        "poll": {"published": [published], "created": "at", "batch_rows": 2},
    });
    let states = published
        .split_once(':')
        .and_then(|(_, states)| states.split_once(':'))
        .map(|(unpublished, published)| (unpublished.to_owned(), published.to_owned()));
    let name = published.split(':').next().unwrap_or_default();
    let marks = (published != "delete").then(|| MarkColumn {
        name: name.to_owned(),
        category: category.to_owned(),
        is_not_null: true,
        states,
    });
    Statements::of(&FoundTable {
        table: PolledTable {
            relation: Relation {
                xid: None,
                oid: Oid::new(16_400),
                namespace: "app".to_owned(),
                name: "out\"box".to_owned(),
                replica_identity: ReplicaIdentity::Default,
                columns: ["id", "aggregate id", "payload"].map(column).into(),
            },
            metadata: TableMetadata::default(),
            rule: serde_json::from_value(rule).unwrap(),
        },
        order: vec![typed("id", "bigint")],
        keys,
        marks: marks.into_iter().collect(),
    })
}

fn key(values: &[&str]) -> RowKey {
    RowKey(values.iter().map(|value| (*value).to_owned()).collect())
}

#[test]
fn rows_are_claimed_in_order_up_to_the_bound() {
    let sql = statements("published_at", "D", vec![typed("id", "bigint")]);
    expect![[r#"SELECT o."id" FROM "app"."out""box" AS o WHERE o."published_at" IS NULL ORDER BY o."id" DESC LIMIT 1"#]]
        .assert_eq(&sql.newest());
    let range = HashRange { number: 1, of: 4 };
    expect![[r#"SELECT o."id", COALESCE(pg_catalog.pg_column_size(o."payload"), 0), pg_catalog.pg_current_wal_insert_lsn(), '"app"."out""box"'::pg_catalog.regclass::pg_catalog.oid FROM "app"."out""box" AS o WHERE o."published_at" IS NULL AND (COALESCE(pg_catalog.hashtext(o."aggregate id"::pg_catalog.text COLLATE "C"), 0)::pg_catalog.int8 & 2147483647) % 4 = 1 AND (o."id") <= ('7'::bigint) ORDER BY o."id" LIMIT 2"#]]
        .assert_eq(&sql.candidates(range, &["7".to_owned()]));
    let all = HashRange { number: 0, of: 1 };
    assert!(!sql.candidates(all, &["7".to_owned()]).contains("hashtext"));
    expect![[r#"SELECT o.tableoid::pg_catalog.oid, o.ctid, pg_catalog.hashtextextended(ROW(o."id", o."aggregate id", o."payload")::pg_catalog.text COLLATE "C", 0), o."id", o."aggregate id", o."payload" FROM "app"."out""box" AS o JOIN (VALUES ('1'::bigint), ('2'::bigint)) AS claimed (k0) ON o."id" = claimed.k0 WHERE o."published_at" IS NULL ORDER BY o."id" FOR UPDATE OF o SKIP LOCKED"#]]
        .assert_eq(&sql.locked(&[key(&["1"]), key(&["2"])]));
}

#[test]
fn rows_of_a_position_are_read_by_a_cursor_and_looked_up_by_their_keys() {
    let sql = statements("published", "B", vec![typed("id", "bigint")]);
    expect![[r#"DECLARE walcast_move_16400 NO SCROLL CURSOR FOR SELECT o."id", COALESCE(pg_catalog.pg_column_size(o."payload"), 0), pg_catalog.pg_current_wal_insert_lsn(), '"app"."out""box"'::pg_catalog.regclass::pg_catalog.oid FROM "app"."out""box" AS o WHERE NOT o."published" ORDER BY o."id""#]]
        .assert_eq(&sql.declare_cursor());
    assert_eq!(sql.fetch(), "FETCH FORWARD 2 FROM walcast_move_16400");
    expect!["SELECT 1 FROM pg_catalog.pg_class AS c WHERE c.relfilenode <> pg_catalog.pg_relation_filenode(c.oid) AND (c.oid = 16400 OR c.oid IN (SELECT p.relid::pg_catalog.oid FROM pg_catalog.pg_partition_tree(16400) AS p))"]
        .assert_eq(&sql.rewritten());
    expect![[r#"SELECT 1 FROM "app"."out""box" AS o JOIN (VALUES ('1'::bigint)) AS claimed (k0) ON o."id" = claimed.k0 WHERE NOT o."published""#]]
        .assert_eq(&sql.unsent(&[key(&["1"])]));
}

#[test]
fn rows_are_marked_as_configured() {
    let check = |published: &str, category: &str, expected: Expect| {
        let keys = vec![typed("id", "bigint"), typed("part", "text")];
        let sql = statements(published, category, keys);
        expected.assert_eq(&sql.mark(&[key(&["1", "o'clock", "7"])]));
    };
    check(
        "published_at",
        "D",
        expect![[
            r#"UPDATE "app"."out""box" AS o SET "published_at" = pg_catalog.clock_timestamp() FROM (VALUES ('1'::bigint, 'o''clock'::text, '7'::pg_catalog.int8)) AS claimed (k0, k1, digest) WHERE o."id" = claimed.k0 AND o."part" = claimed.k1 AND pg_catalog.hashtextextended(ROW(o."id", o."aggregate id", o."payload")::pg_catalog.text COLLATE "C", 0) = claimed.digest AND o."published_at" IS NULL"#
        ]],
    );
    check(
        "published",
        "B",
        expect![[
            r#"UPDATE "app"."out""box" AS o SET "published" = true FROM (VALUES ('1'::bigint, 'o''clock'::text, '7'::pg_catalog.int8)) AS claimed (k0, k1, digest) WHERE o."id" = claimed.k0 AND o."part" = claimed.k1 AND pg_catalog.hashtextextended(ROW(o."id", o."aggregate id", o."payload")::pg_catalog.text COLLATE "C", 0) = claimed.digest AND NOT o."published""#
        ]],
    );
    check(
        "status:NEW:SENT",
        "S",
        expect![[
            r#"UPDATE "app"."out""box" AS o SET "status" = 'SENT' FROM (VALUES ('1'::bigint, 'o''clock'::text, '7'::pg_catalog.int8)) AS claimed (k0, k1, digest) WHERE o."id" = claimed.k0 AND o."part" = claimed.k1 AND pg_catalog.hashtextextended(ROW(o."id", o."aggregate id", o."payload")::pg_catalog.text COLLATE "C", 0) = claimed.digest AND o."status" = 'NEW'"#
        ]],
    );
    check(
        "delete",
        "",
        expect![[
            r#"DELETE FROM "app"."out""box" AS o USING (VALUES ('1'::bigint, 'o''clock'::text, '7'::pg_catalog.int8)) AS claimed (k0, k1, digest) WHERE o."id" = claimed.k0 AND o."part" = claimed.k1 AND pg_catalog.hashtextextended(ROW(o."id", o."aggregate id", o."payload")::pg_catalog.text COLLATE "C", 0) = claimed.digest"#
        ]],
    );
}

#[test]
fn only_a_part_of_the_backlog_is_counted() {
    let sql = statements("published_at", "D", vec![typed("id", "bigint")]);
    expect![[r#"SELECT pg_catalog.count(*), EXTRACT(epoch FROM pg_catalog.clock_timestamp() - (pg_catalog.min(pending.created) FILTER (WHERE pg_catalog.isfinite(pending.created)))::pg_catalog.timestamptz) FROM (SELECT o."at" AS created FROM "app"."out""box" AS o WHERE o."published_at" IS NULL ORDER BY o."id" LIMIT 100000) AS pending"#]]
        .assert_eq(&sql.backlog());
}
