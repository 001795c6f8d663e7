//! Progress of tables, and the order in which parts of a table are read.

use walcast_mapper::{RowId, TableName};
use walcast_pgoutput::{Lsn, Oid, Tid};

use super::{NextRow, PublishedSince, SnapshotProgress, SnapshotType, TableProgress};

fn table(name: &str) -> TableName {
    TableName {
        namespace: "public".to_owned(),
        name: name.to_owned(),
    }
}

fn row(block: u32, offset: u16) -> NextRow {
    let row = RowId {
        table: Oid::new(16_400),
        tid: Tid { block, offset },
    };
    NextRow::new(row, Oid::new(16_500))
}

#[test]
fn progress_contains_the_remaining_tables() {
    let mut progress = SnapshotProgress::of([table("a"), table("b")]);
    progress.id = "1".to_owned();
    assert!(!progress.is_last(&table("a")) && !progress.is_last(&table("b")));
    progress.reach(&table("a"), Some(row(3, 7)));
    expect_test::expect![[
        r#"{"id":"1","tables":[{"namespace":"public","name":"a","next":{"table":16400,"file":16500,"block":3,"offset":7}},{"namespace":"public","name":"b"}],"table_count":2,"rows":0}"#
    ]]
    .assert_eq(&serde_json::to_string(&progress).unwrap());
    progress.reach(&table("a"), None);
    assert!(progress.is_last(&table("b")));
    progress.reach(&table("b"), None);
    assert!(progress.tables.is_empty());
}

#[test]
fn keeps_the_details_of_a_request() {
    let mut progress = SnapshotProgress {
        id: "ad-hoc-1".to_owned(),
        ..SnapshotProgress::default()
    };
    progress.add(TableProgress {
        filter: Some("id > 5".to_owned()),
        marks: SnapshotType::Incremental,
        asked: true,
        publishing: PublishedSince::Since(Lsn::new(0x16_B3748)),
        ..TableProgress::of(table("a"))
    });
    progress.paused = true;
    let text = serde_json::to_string(&progress).unwrap();
    expect_test::expect![[
        r#"{"id":"ad-hoc-1","tables":[{"namespace":"public","name":"a","filter":"id > 5","marks":"incremental","asked":true,"publishing":{"since":"0/16B3748"}}],"table_count":1,"rows":0,"paused":true}"#
    ]]
    .assert_eq(&text);
    assert_eq!(serde_json::from_str::<SnapshotProgress>(&text).unwrap(), progress);
    assert!(!progress.wants_snapshot());
    progress.paused = false;
    assert!(progress.can_be_read_at(Lsn::new(0x16_B3748)));
    assert!(!progress.can_be_read_at(Lsn::new(0x16_B3747)));
}

#[test]
fn tables_with_one_marker_have_their_own_first_and_last_row() {
    let mut progress = SnapshotProgress::of([table("a")]);
    progress.add(TableProgress {
        marks: SnapshotType::Incremental,
        ..TableProgress::of(table("b"))
    });
    progress.has_first = true;
    assert!(progress.is_last(&table("a")) && !progress.is_last(&table("b")));
    progress.reach(&table("a"), None);
    assert!(!progress.has_first);
}

/// Attached partitions are read after their table, from a snapshot that shows them.
#[test]
fn attached_partitions_follow_their_table() {
    let mut progress = SnapshotProgress::of([table("a")]);
    progress.await_attached(&table("a"), &[Oid::new(7)], Lsn::new(200));
    progress.await_attached(&table("a"), &[Oid::new(5), Oid::new(7)], Lsn::new(100));
    assert!(progress.can_be_read_at(Lsn::new(50)), "the table itself");
    assert!(progress.tables[0].partitions.is_empty());

    progress.reach(&table("a"), None);
    let [left] = progress.tables.as_slice() else {
        panic!("{progress:?}");
    };
    assert_eq!(
        (left.partitions.as_slice(), left.marks),
        ([5, 7].as_slice(), SnapshotType::Incremental)
    );
    assert!(!progress.can_be_read_at(Lsn::new(199)) && progress.can_be_read_at(Lsn::new(200)));

    progress.reach(&table("a"), None);
    assert_eq!(progress.tables, []);

    // A request that stops the table stops its partitions too.
    progress.await_attached(&table("a"), &[Oid::new(7)], Lsn::new(200));
    progress.await_attached(&table("a"), &[Oid::new(8)], Lsn::new(200));
    progress.leave_out(&[table("a")], false);
    assert_eq!(progress.tables, []);
}

/// A checkpoint stays small.
#[test]
fn many_attached_partitions_are_stored_as_the_whole_table() {
    let oids: Vec<Oid> = (1..=1001).map(Oid::new).collect();
    let mut progress = SnapshotProgress::default();
    progress.await_attached(&table("a"), &oids, Lsn::new(100));
    assert!(progress.tables[0].partitions.is_empty());
    assert!(!progress.can_be_read_at(Lsn::new(99)));
}
