//! Captured tables of a tree of partitions, by roots and by leaves.

use expect_test::{Expect, expect};
use walcast_delivery::{CapturedTable, Persistence};
use walcast_mapper::TableName;
use walcast_pgoutput::{Oid, ReplicaIdentity, Xid};

use super::{Found, PartitionPlace, by_leaves, by_roots};

fn table(
    oid: u32,
    is_matched: bool,
    ancestors: &[u32],
    is_partitioned: bool,
    identifies_rows: bool,
) -> Found {
    Found {
        table: CapturedTable {
            name: TableName {
                namespace: "public".to_owned(),
                name: format!("t{oid}"),
            },
            oid: Oid::new(oid),
            persistence: Persistence::Permanent,
            replica_identity: ReplicaIdentity::Default,
            identifies_rows,
            identity_is_generated: false,
            unsent_key_columns: Vec::new(),
            is_named: false,
            partitions: None,
        },
        is_partitioned,
        is_matched,
        is_excluded: false,
        is_unreadable: false,
        ancestors: ancestors.iter().copied().map(Oid::new).collect(),
        place: (!ancestors.is_empty()).then_some(PartitionPlace {
            attached_by: Xid::new(7),
            was_created_as_partition: true,
            altered_by: Xid::new(7),
            file: Oid::new(oid),
        }),
    }
}

/// Table 1 is the root of the partitioned table 2 and of the leaf 3; table 4 is a leaf of 2; table 5 is not partitioned.
fn tree(chosen: &[u32]) -> Vec<Found> {
    let matched = |oid| chosen.contains(&oid);
    vec![
        table(1, matched(1), &[], true, true),
        table(2, matched(2), &[1], true, true),
        table(3, matched(3), &[1], false, true),
        table(4, matched(4), &[2, 1], false, false),
        table(5, matched(5), &[], false, true),
    ]
}

fn check(tables: &[CapturedTable], expected: &Expect) {
    let shown: Vec<String> = tables
        .iter()
        .map(|table| format!("{}{}", table.oid, if table.identifies_rows { "" } else { "!" }))
        .collect();
    expected.assert_eq(&shown.join(" "));
}

#[test]
fn roots_stand_for_their_leaves() {
    check(&by_roots(tree(&[1, 2, 3, 4, 5])), &expect!["1! 5"]);
    check(&by_roots(tree(&[2, 3])), &expect!["2! 3"]);
    check(&by_roots(tree(&[4])), &expect!["4!"]);
}

#[test]
fn leaves_stand_for_themselves() {
    check(&by_leaves(tree(&[1, 2, 3, 4])), &expect!["3 4!"]);
    check(&by_leaves(tree(&[3, 5])), &expect!["3 5"]);
}

#[test]
fn root_with_an_unselected_leaf_is_captured_itself() {
    check(&by_leaves(tree(&[1, 3])), &expect!["1 3"]);
    check(&by_leaves(tree(&[2, 5])), &expect!["2 5"]);
}

#[test]
fn excluded_tables_are_not_captured() {
    let mut tree = tree(&[1, 4, 5]);
    tree[2].is_excluded = true;
    tree[4].is_excluded = true;
    check(&by_leaves(tree), &expect!["4!"]);
}

/// Its table is not captured for the leaf alone.
#[test]
fn leaves_whose_names_are_not_utf8_are_left_out() {
    let mut tree = tree(&[1, 3]);
    tree[3].is_unreadable = true;
    check(&by_leaves(tree), &expect!["3"]);
}
