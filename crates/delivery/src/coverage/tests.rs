//! All findings about publication and tables, with their texts and statements.

use std::collections::BTreeMap;

use expect_test::{Expect, expect};
use walcast_mapper::TableName;
use walcast_pgoutput::{Lsn, Xid};

use super::*;
use crate::source_state::fixture;

fn name(table: &str) -> TableName {
    TableName {
        namespace: "public".to_owned(),
        name: table.to_owned(),
    }
}

fn captured(table: &str) -> CapturedTable {
    fixture::captured(name(table), 16_400)
}

/// Source with two tables, both captured and published.
fn source_state() -> SourceState {
    SourceState {
        publication: Some(PublicationState {
            all_tables: false,
            tables: vec![name("items"), name("orders")],
            unpublished: Vec::new(),
            restricted: BTreeMap::new(),
        }),
        ..fixture::source_state([captured("items"), captured("orders")])
    }
}

/// Finding, and the statement that resolves it.
fn line(finding: &Halt) -> String {
    match finding {
        Halt::PublicationMissing { sql, .. }
        | Halt::NotPublished { sql, .. }
        | Halt::OperationsUnpublished { sql, .. } => format!("{finding}; {sql}\n"),
        _ => format!("{finding}\n"),
    }
}

fn check(change: impl FnOnce(&mut SourceState), expected: &Expect) {
    let mut source_state = source_state();
    change(&mut source_state);
    let findings = table_findings(&source_state)
        .into_iter()
        .chain(publication_findings(&source_state, "shop \"live\""));
    let lines: Vec<String> = findings.map(|finding| line(&finding)).collect();
    expected.assert_eq(&lines.concat());
}

fn publication(source_state: &mut SourceState) -> &mut PublicationState {
    source_state.publication.as_mut().unwrap()
}

#[test]
fn a_complete_publication_has_no_findings() {
    check(|_| {}, &expect![[""]]);
    check(
        |source_state| publication(source_state).tables.push(name("more")),
        &expect![[""]],
    );
}

#[test]
fn reports_insufficient_wal_level() {
    check(
        |source_state| source_state.wal_level = "replica".to_owned(),
        &expect![[r#"
        wal_level is replica, but logical decoding needs logical
    "#]],
    );
}

#[test]
fn reports_a_pattern_without_tables() {
    check(
        |source_state| source_state.unmatched_patterns.push("public.item".to_owned()),
        &expect![[r#"
            no table matches "public.item"
        "#]],
    );
}

#[test]
fn reports_unlogged_and_temporary_tables() {
    check(
        |source_state| source_state.captured[0].persistence = Persistence::Unlogged,
        &expect![[r#"
            table public.items is unlogged, so its changes are not in the WAL
        "#]],
    );
}

#[test]
fn reports_a_table_without_replica_identity() {
    check(
        |source_state| source_state.captured[1].identifies_rows = false,
        &expect![[r#"
            table public.orders has no replica identity: once published, the server would reject its updates and deletes in the application
        "#]],
    );
}

/// A table whose key is not sent is left out where nothing of it was promised or arrives, and halts a start elsewhere.
#[test]
fn a_key_that_is_not_sent() {
    let mut source_state = source_state();
    let known = BTreeSet::from([Oid::new(16_400)]);
    let items = &mut source_state.captured[0];
    (items.oid, items.unsent_key_columns) = (Oid::new(1), vec!["code".to_owned()]);
    let halts = |source_state: &SourceState, promised| {
        let findings = halting_table_findings(source_state, promised);
        findings.iter().map(line).collect::<String>()
    };
    let finding = expect![[r#"
        the key of table public.items contains generated columns (code) that the server does not send: records of different rows would have the same key
    "#]];
    let of_others = Promised::Tables(&known);
    finding.assert_eq(&halts(&source_state, of_others));
    publication(&mut source_state).tables.remove(0);
    assert_eq!(halts(&source_state, of_others), "");
    assert_eq!(publication_findings(&source_state, "shop"), []);
    finding.assert_eq(&halts(&source_state, Promised::FirstStart));
    let left_out = take_unpublishable(&mut source_state, of_others);
    assert_eq!(left_out[0].name, name("items"));
}

#[test]
fn reports_a_missing_publication() {
    check(
        |source_state| source_state.publication = None,
        &expect![[r#"
        publication shop "live" does not exist; CREATE PUBLICATION "shop ""live""" FOR TABLE ONLY "public"."items", ONLY "public"."orders" WITH (publish_via_partition_root = true)
    "#]],
    );
}

#[test]
fn reports_tables_missing_from_the_publication() {
    check(
        |source_state| publication(source_state).tables.clear(),
        &expect![[r#"
        table public.items is captured but not in publication shop "live", so its changes would never arrive; ALTER PUBLICATION "shop ""live""" ADD TABLE ONLY "public"."items"
        table public.orders is captured but not in publication shop "live", so its changes would never arrive; ALTER PUBLICATION "shop ""live""" ADD TABLE ONLY "public"."orders"
    "#]],
    );
    check(
        |source_state| source_state.captured.push(captured("odd \"name\"")),
        &expect![[r#"
            table public.odd "name" is captured but not in publication shop "live", so its changes would never arrive; ALTER PUBLICATION "shop ""live""" ADD TABLE ONLY "public"."odd ""name"""
        "#]],
    );
}

#[test]
fn reports_unpublished_operations() {
    check(
        |source_state| publication(source_state).unpublished = vec!["update", "delete"],
        &expect![[r#"
            publication shop "live" does not publish update, delete; ALTER PUBLICATION "shop ""live""" SET (publish = 'insert, update, delete, truncate')
        "#]],
    );
}

/// Table with a leaf of each kind.
fn partitioned() -> CapturedTable {
    let leaf = |oid, leaf: &str| Partition {
        oid: Oid::new(oid),
        name: name(leaf),
        parent: Oid::new(16_400),
        is_leaf: true,
        file: Oid::new(oid),
        attached_by: Xid::new(1),
        was_created_as_partition: true,
        altered_by: Xid::new(1),
        persistence: Persistence::Permanent,
        identifies_rows: true,
        identity_is_generated: false,
        is_excluded: false,
    };
    let mut leaves = vec![
        leaf(1, "plain"),
        leaf(2, "nothing"),
        leaf(3, "generated"),
        leaf(4, "unlogged"),
        leaf(5, "excluded"),
    ];
    leaves[1].identifies_rows = false;
    leaves[2].identifies_rows = false;
    leaves[2].identity_is_generated = true;
    leaves[3].persistence = Persistence::Unlogged;
    leaves[4].is_excluded = true;
    CapturedTable {
        identifies_rows: false,
        partitions: Some(leaves),
        ..captured("items")
    }
}

#[test]
fn reports_each_partition() {
    check(
        |source_state| source_state.captured[0] = partitioned(),
        &expect![[r#"
        partition public.nothing of table public.items has no replica identity: once public.items is published, the server would reject updates and deletes of the partition in the application
        the replica identity of table public.generated contains a generated column that is not published: once published, the server would reject its updates and deletes in the application
        partition public.unlogged of table public.items is unlogged, so its changes are not in the WAL
        partition public.excluded is excluded, but its changes are published as changes of table public.items, and cannot be distinguished from them
    "#]],
    );
}

/// The finding about the key of the table takes the place of no finding about a partition.
#[test]
fn reports_each_partition_of_a_table_whose_key_is_not_sent() {
    check(
        |source_state| {
            source_state.captured[0] = CapturedTable {
                unsent_key_columns: vec!["code".to_owned()],
                ..partitioned()
            }
        },
        &expect![[r#"
        the key of table public.items contains generated columns (code) that the server does not send: records of different rows would have the same key
        partition public.nothing of table public.items has no replica identity: once public.items is published, the server would reject updates and deletes of the partition in the application
        the replica identity of table public.generated contains a generated column that is not published: once published, the server would reject its updates and deletes in the application
        partition public.unlogged of table public.items is unlogged, so its changes are not in the WAL
        partition public.excluded is excluded, but its changes are published as changes of table public.items, and cannot be distinguished from them
    "#]],
    );
}

/// An unlogged partition stops nothing; what would be sent although it is excluded does.
#[test]
fn start_halts_for_partitions_that_harm() {
    let mut source_state = source_state();
    source_state.captured[0] = partitioned();
    let mut find = |edit: fn(&mut SourceState)| {
        edit(&mut source_state);
        let findings = halting_table_findings(&source_state, Promised::All);
        findings.iter().map(line).collect::<String>()
    };
    expect![[r#"
        partition public.excluded is excluded, but its changes are published as changes of table public.items, and cannot be distinguished from them
    "#]].assert_eq(&find(|_| {}));
    expect![[r#"
        partition public.nothing of table public.items has no replica identity: once public.items is published, the server would reject updates and deletes of the partition in the application
        partition public.excluded is excluded, but its changes are published as changes of table public.items, and cannot be distinguished from them
    "#]].assert_eq(&find(|source_state| publication(source_state).tables.clear()));
}

/// A printed statement adds no table of which the server would then reject updates.
#[test]
fn a_statement_names_no_table_that_cannot_be_published() {
    let mut source_state = source_state();
    source_state.publication = None;
    source_state.captured[1].identifies_rows = false;
    let findings = publication_findings(&source_state, "shop");
    let [Halt::PublicationMissing { sql, .. }] = findings.as_slice() else {
        panic!("{findings:?}");
    };
    assert!(sql.contains("items") && !sql.contains("orders"), "{sql}");
}

/// One inspection reports all findings at once.
#[test]
fn reports_all_findings_at_once() {
    check(
        |source_state| {
            source_state.wal_level = "minimal".to_owned();
            source_state.captured[0].persistence = Persistence::Unlogged;
            source_state.captured[1].identifies_rows = false;
            publication(source_state).unpublished = vec!["insert"];
            publication(source_state).tables.remove(0);
        },
        &expect![[r#"
            wal_level is minimal, but logical decoding needs logical
            table public.items is unlogged, so its changes are not in the WAL
            table public.orders has no replica identity: once published, the server would reject its updates and deletes in the application
            publication shop "live" does not publish insert; ALTER PUBLICATION "shop ""live""" SET (publish = 'insert, update, delete, truncate')
        "#]],
    );
}

#[test]
fn a_finding_after_a_checkpoint_names_the_missed_changes() {
    let mut source_state = source_state();
    source_state.captured.truncate(1);
    source_state.captured[0].persistence = Persistence::Unlogged;
    let missed = Halt::NotCovered {
        finding: Box::new(table_findings(&source_state).remove(0)),
        after: Lsn::new(0x200),
        until: source_state.flush_lsn,
    };
    expect!["table public.items is unlogged, so its changes are not in the WAL; what was changed in (0/200, 0/300] while this was so is not delivered"].assert_eq(&missed.to_string());
}

#[test]
fn denied_rows_are_named_while_they_are_to_be_read() {
    let mut source_state = source_state();
    let grant = "GRANT SELECT ON public.orders TO walcast".to_owned();
    source_state.denied = BTreeMap::from([(name("orders"), grant.clone())]);
    let finding = Halt::RowsDenied {
        table: name("orders"),
        sql: grant,
    };
    assert_eq!(
        denied_findings(&source_state, |_| true),
        std::slice::from_ref(&finding)
    );
    assert_eq!(denied_findings(&source_state, |_| false), []);
    assert!(!finding.hides_changes());
    assert_eq!(
        halting_table_findings(&source_state, Promised::All),
        [],
        "the changes arrive"
    );
}
