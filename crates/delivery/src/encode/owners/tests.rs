use std::collections::BTreeSet;

use walcast_mapper::config::{Route, RouteText};
use walcast_mapper::{MapperConfig, TableName};
use walcast_pgoutput::Oid;

use super::*;
use crate::encode::dead_letters::config::{DeadLetterRule, OnError};
use crate::source_state::fixture;

fn name(table: &str) -> TableName {
    let (namespace, name) = table.split_once('.').unwrap();
    TableName {
        namespace: namespace.to_owned(),
        name: name.to_owned(),
    }
}

fn source_state(tables: &[(u32, &str)]) -> SourceState {
    let captured = tables
        .iter()
        .map(|(oid, table)| fixture::captured(name(table), *oid));
    fixture::source_state(captured)
}

fn dead_letters_of(tables: &str) -> DeadLetterConfig {
    DeadLetterConfig {
        rules: vec![DeadLetterRule {
            tables: tables.parse().unwrap(),
            on_error: OnError::DeadLetter,
        }],
        ..DeadLetterConfig::none("shop", "dead_letters")
    }
}

fn findings(
    tables: &[(u32, &str)],
    mapper: &MapperConfig,
    dead_letters: &DeadLetterConfig,
) -> BTreeSet<String> {
    let findings = topic_findings(&source_state(tables), mapper, dead_letters);
    findings.iter().map(ToString::to_string).collect()
}

fn halting() -> DeadLetterConfig {
    DeadLetterConfig::none("shop", "dead_letters")
}

#[test]
fn a_finding_names_both_tables_of_a_topic() {
    let mapper = MapperConfig::new("shop", "shop");
    let tables = [
        (9, "public.a b"),
        (7, "public.a_b"),
        (8, "public.a-b"),
        (6, "public.c"),
    ];
    expect_test::expect![[r#"
        {
            "tables \"public.a_b\" and \"public.a b\" would share topic shop.public.a_b, which would mix their rows: a topic has _ for each character that it cannot have",
        }
    "#]]
    .assert_debug_eq(&findings(&tables, &mapper, &halting()));
    // The dot between schema and table can also be part of either name.
    let dotted = [(1, "a.b.c"), (2, "a.b.d")];
    assert!(findings(&dotted, &mapper, &halting()).is_empty());
    let mut other = source_state(&[(1, "a.b.c")]);
    other.captured.extend(source_state(&[(2, "x.y")]).captured);
    other.captured[1].name = TableName {
        namespace: "a.b".to_owned(),
        name: "c".to_owned(),
    };
    assert_eq!(topic_findings(&other, &mapper, &halting()).len(), 1);
}

#[test]
fn a_route_may_join_tables_but_equal_names_may_not() {
    let mut mapper = MapperConfig::new("shop", "shop");
    mapper.names.routes = vec![
        Route::try_from(RouteText {
            pattern: r"shop\.public\.orders_.*".to_owned(),
            topic: "shop.public.orders".to_owned(),
            unique_keys: true,
            key_field: "of".to_owned(),
            key_pattern: None,
            key_value: None,
        })
        .unwrap(),
    ];
    let routed = [
        (1, "public.orders"),
        (2, "public.orders_1"),
        (3, "public.orders_2"),
    ];
    assert!(findings(&routed, &mapper, &halting()).is_empty());
    let forged = [(2, "public.orders_1"), (4, "public.orders 1")];
    assert_eq!(findings(&forged, &mapper, &halting()).len(), 1);
}

#[test]
fn dead_letters_allow_a_start_with_a_shared_topic() {
    let mapper = MapperConfig::new("shop", "shop");
    let tables = [(7, "public.a b"), (9, "public.a_b")];
    let dead_letters = dead_letters_of("public.\"a b\"");
    assert!(findings(&tables, &mapper, &dead_letters).is_empty());
    // The topic belongs to the table whose changes must be delivered, even if that table is newer.
    let (mut owners, _) = Owners::of(&source_state(&tables), &mapper, &dead_letters);
    let claimant = |oid, table| Owner {
        oid: Oid::new(oid),
        name: name(table),
    };
    assert_eq!(owners.claim("shop.public.a_b", claimant(9, "public.a_b")), Ok(()));
    let owner = claimant(9, "public.a_b");
    assert_eq!(
        owners.claim("shop.public.a_b", claimant(7, "public.a b")),
        Err(&owner)
    );
}

#[test]
fn a_recreated_or_renamed_table_keeps_its_topic() {
    let mut owners = Owners::default();
    let claimant = |oid, table| Owner {
        oid: Oid::new(oid),
        name: name(table),
    };
    for (oid, table) in [(1, "public.a_b"), (2, "public.a_b"), (2, "public.a b")] {
        assert_eq!(owners.claim("t", claimant(oid, table)), Ok(()));
    }
    assert!(owners.claim("t", claimant(3, "public.a_b")).is_err());
    owners.release("t");
    assert_eq!(owners.claim("t", claimant(3, "public.a_b")), Ok(()));
}

/// Rows of an outbox name topics: not those of other tables, whether by name or by route.
#[test]
fn topics_of_tables_hold_rows_and_those_of_outboxes_do_not() {
    let mut mapper = MapperConfig::new("shop", "shop");
    mapper.names.routes = vec![
        Route::try_from(RouteText {
            pattern: r"shop\.public\.orders_.*".to_owned(),
            topic: "all_orders".to_owned(),
            unique_keys: true,
            key_field: "of".to_owned(),
            key_pattern: None,
            key_value: None,
        })
        .unwrap(),
    ];
    mapper.outboxes = vec![serde_json::from_str(r#"{"tables": "public.outbox"}"#).unwrap()];
    let tables = [(1, "public.items"), (2, "public.orders_1"), (3, "public.outbox")];
    let (owners, _) = Owners::of(&source_state(&tables), &mapper, &halting());
    for (topic, expected) in [
        ("shop.public.items", true),
        ("all_orders", true),
        ("shop.public.outbox", false),
        ("outbox.event.order", false),
    ] {
        assert_eq!(owners.holds_rows(topic, &mapper), expected, "{topic}");
    }
}
