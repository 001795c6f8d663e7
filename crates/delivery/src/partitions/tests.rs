//! Which changes of partitions are found between two inspections.

use expect_test::{Expect, expect};

use super::*;
use crate::source_state::fixture;

fn name(table: &str) -> TableName {
    TableName {
        namespace: "public".to_owned(),
        name: table.to_owned(),
    }
}

fn partition(oid: u32, parent: u32, is_leaf: bool) -> Partition {
    Partition {
        oid: Oid::new(oid),
        name: name(&format!("p{oid}")),
        parent: Oid::new(parent),
        is_leaf,
        file: Oid::new(if is_leaf { oid } else { 0 }),
        attached_by: Xid::new(oid),
        was_created_as_partition: true,
        altered_by: Xid::new(oid),
        persistence: Persistence::Permanent,
        identifies_rows: true,
        identity_is_generated: false,
        is_excluded: false,
    }
}

/// Table 1 has the leaves 2 and 3 and the partitioned table 4, which has the leaf 5.
fn partitions() -> Vec<Partition> {
    vec![
        partition(2, 1, true),
        partition(3, 1, true),
        partition(4, 1, false),
        partition(5, 4, true),
    ]
}

fn source_state(partitions: Vec<Partition>) -> SourceState {
    let mut table = fixture::captured(name("t"), 1);
    let existing = partitions
        .iter()
        .map(|one| one.oid)
        .chain([Oid::new(1)])
        .collect();
    table.partitions = Some(partitions);
    SourceState {
        tables: existing,
        ..fixture::source_state([table])
    }
}

fn compare(source_state: &SourceState, known: &KnownPartitions) -> PartitionComparison {
    let known_tables = BTreeSet::from([Oid::new(1)]);
    PartitionComparison::of(source_state, known, &known_tables, |_| true)
}

fn check_state(edit: impl FnOnce(&mut SourceState, &mut Vec<Partition>), expected: &Expect) {
    let known = compare(&source_state(partitions()), &KnownPartitions::new()).known;
    let mut now = partitions();
    let mut state = source_state(Vec::new());
    edit(&mut state, &mut now);
    state.tables.extend(now.iter().map(|one| one.oid));
    state.captured[0].partitions = Some(now);
    let found = compare(&state, &known);
    let changes: Vec<String> = found.changes.iter().map(|change| format!("{change}\n")).collect();
    expected.assert_eq(&changes.concat());
    assert!(
        found.changes.is_empty() || !found.is_as_known(),
        "a change is stored"
    );
    // What is stored is not found again.
    let mut stored = known;
    for (oid, record) in found.records {
        match record {
            Some(record) => stored.insert(oid, record),
            None => stored.remove(&oid),
        };
    }
    assert!(compare(&state, &stored).is_as_known());
}

fn check(edit: impl FnOnce(&mut Vec<Partition>), expected: &Expect) {
    check_state(|_, partitions| edit(partitions), expected);
}

#[test]
fn first_inspection_finds_no_change() {
    let found = compare(&source_state(partitions()), &KnownPartitions::new());
    assert_eq!((found.records.len(), found.changes.len()), (5, 0));
}

/// All rows of a table that is newly captured are read.
#[test]
fn partitions_of_an_unknown_table_are_recorded_only() {
    let known = compare(&source_state(Vec::new()), &KnownPartitions::new()).known;
    let mut now = partitions();
    now[0].was_created_as_partition = false;
    let found = PartitionComparison::of(&source_state(now), &known, &BTreeSet::new(), |_| true);
    assert_eq!((found.records.len(), found.changes.len()), (4, 0));
}

#[test]
fn created_partition_comes_without_rows() {
    check(|now| now.push(partition(6, 1, true)), &expect![[""]]);
    check(|now| now.push(partition(6, 4, true)), &expect![[""]]);
}

#[test]
fn attached_partition_comes_with_rows() {
    let attached = |oid, parent, is_leaf| Partition {
        was_created_as_partition: false,
        ..partition(oid, parent, is_leaf)
    };
    check(
        |now| now.push(attached(6, 1, true)),
        &expect![[r#"
        partition public.p6 of public.t came with rows that the WAL does not contain as rows of public.t (ATTACH PARTITION or SET LOGGED): the rows are read
    "#]],
    );
    // Below a partitioned table that was attached with them.
    check(
        |now| {
            now.extend([
                attached(6, 1, false),
                partition(7, 6, true),
                partition(8, 6, true),
            ])
        },
        &expect![[r#"
        partitions public.p7, public.p8 of public.t came with rows that the WAL does not contain as rows of public.t (ATTACH PARTITION or SET LOGGED): the rows are read
    "#]],
    );
    // Created as a partition, and in another file since: it may have been unlogged.
    check(
        |now| {
            now.push(Partition {
                file: Oid::new(9),
                ..partition(6, 1, true)
            });
        },
        &expect![[r#"
        partition public.p6 of public.t came with rows that the WAL does not contain as rows of public.t (ATTACH PARTITION or SET LOGGED): the rows are read
    "#]],
    );
}

/// Its rows may have been changed in between.
#[test]
fn partition_that_was_detached_and_attached_again_comes_with_rows() {
    check(
        |now| now[1].attached_by = Xid::new(99),
        &expect![[r#"
        partition public.p3 of public.t came with rows that the WAL does not contain as rows of public.t (ATTACH PARTITION or SET LOGGED): the rows are read
    "#]],
    );
    check(
        |now| now[2].attached_by = Xid::new(99),
        &expect![[r#"
        partition public.p5 of public.t came with rows that the WAL does not contain as rows of public.t (ATTACH PARTITION or SET LOGGED): the rows are read
    "#]],
    );
}

#[test]
fn unlogged_partition_comes_with_rows_once_it_is_logged() {
    let unlogged = |now: &mut Vec<Partition>| now[0].persistence = Persistence::Unlogged;
    let mut before = partitions();
    unlogged(&mut before);
    let known = compare(&source_state(before), &KnownPartitions::new()).known;
    let mut now = partitions();
    now[0].file = Oid::new(77);
    let found = compare(&source_state(now), &known);
    assert_eq!(found.attached, [(name("t"), vec![Oid::new(2)])]);
    check(unlogged, &expect![[""]]);
}

#[test]
fn partitions_that_went_are_distinguished() {
    check(
        |now| drop(now.remove(0)),
        &expect![[r#"
        partition public.p2 of public.t was dropped: Postgres publishes no delete, so the rows stay in the topic of public.t
    "#]],
    );
    check_state(
        |state, now| {
            state.tables.insert(Oid::new(2));
            now.remove(0);
        },
        &expect![[r#"
        partition public.p2 was detached from public.t: Postgres publishes no delete, so the rows that left public.t stay in its topic, and later changes are those of another table
    "#]],
    );
    check(
        |now| now.truncate(1),
        &expect![[r#"
        partitions public.p3, public.p5 of public.t were dropped: Postgres publishes no delete, so the rows stay in the topic of public.t
    "#]],
    );
}

#[test]
fn rewritten_partitions_are_reported_unless_one_statement_rewrote_all() {
    let rewrite = |partition: &mut Partition, xid: u32| {
        if partition.is_leaf {
            partition.file = Oid::new(1000 + partition.oid.as_u32());
            partition.altered_by = Xid::new(xid);
        }
    };
    check(
        |now| rewrite(&mut now[0], 50),
        &expect![[r#"
        partition public.p2 of public.t was truncated or rewritten: Postgres does not publish TRUNCATE of a partition, so rows that it removed stay in the topic of public.t; VACUUM FULL, CLUSTER and ALTER TABLE remove none
    "#]],
    );
    check(
        |now| now.iter_mut().for_each(|one| rewrite(one, 50)),
        &expect![[r#"
        one statement truncated or rewrote all partitions of public.t; TRUNCATE of public.t is published
    "#]],
    );
    check(
        |now| (50..).zip(now).for_each(|(xid, one)| rewrite(one, xid)),
        &expect![[r#"
        partitions public.p2, public.p3, public.p5 of public.t were truncated or rewritten: Postgres does not publish TRUNCATE of a partition, so rows that it removed stay in the topic of public.t; VACUUM FULL, CLUSTER and ALTER TABLE remove none
    "#]],
    );
}

#[test]
fn texts_name_few_partitions() {
    let change = PartitionChange {
        kind: PartitionChangeKind::Dropped,
        table: name("t"),
        partitions: (1..15).map(|number| name(&format!("p{number}"))).collect(),
    };
    expect![[r#"partitions public.p1, public.p2, public.p3, public.p4, public.p5, public.p6, public.p7, public.p8, public.p9, public.p10 and 4 others of public.t were dropped: Postgres publishes no delete, so the rows stay in the topic of public.t"#]].assert_eq(&change.to_string());
}
