//! Which records are changes of a key, and which of them are shown.

use super::*;
use crate::record::{Record, RecordSchemas};
use crate::value::Value;

/// Change of the key 1, or its tombstone, at this position.
fn change(lsn: u64, part: u32, operation: Option<Operation>) -> KeyChange {
    let key: Row = [(Arc::from("id"), Value::Integer(1))].into_iter().collect();
    let record = Record {
        topic: Arc::from("t"),
        partition: 0,
        offset: i64::try_from(lsn).unwrap(),
        timestamp: Some(5),
        headers: Vec::new(),
        id: Some(WalcastId::Change {
            commit_lsn: Lsn::new(lsn),
            ordinal: 0,
            part,
        }),
        key: Some(Value::Row(key)),
        schemas: RecordSchemas::default(),
        content: Content::Tombstone,
    };
    let mut change = KeyChange::of(record).unwrap();
    if let Some(operation) = operation {
        change.operation = operation;
        change.is_tombstone = false;
        change.commit_micros = Some(i64::try_from(lsn).unwrap());
    }
    change
}

fn positions(changes: &[KeyChange]) -> Vec<u64> {
    let positions = changes.iter().filter_map(|change| change.lsn);
    positions.map(Lsn::as_u64).collect()
}

/// Two lives of a row with the same key.
fn two_lives() -> Vec<KeyChange> {
    [
        (1, Operation::Create),
        (2, Operation::Update),
        (3, Operation::Delete),
        (4, Operation::Create),
        (5, Operation::Update),
        (6, Operation::Delete),
    ]
    .map(|(lsn, operation)| change(lsn, 0, Some(operation)))
    .to_vec()
}

/// The newest changes of those that are read in this order.
fn newest(max: usize, changes: impl IntoIterator<Item = KeyChange>) -> Newest {
    let mut newest = Newest::new(max);
    for change in changes {
        newest.add(change);
    }
    newest.sorted()
}

#[test]
fn a_tombstone_after_its_delete_is_no_change() {
    let changes = [
        change(1, 0, Some(Operation::Delete)),
        change(1, 1, None),
        change(2, 0, Some(Operation::Delete)),
        change(3, 0, None),
    ];
    assert_eq!(positions(&newest(9, changes).changes), [1, 2, 3]);
}

#[test]
fn a_tombstone_without_a_position_belongs_to_the_delete_before_it() {
    let mut tombstone = change(2, 0, None);
    (tombstone.id, tombstone.lsn) = (None, None);
    let changes = [
        change(1, 0, Some(Operation::Create)),
        change(2, 0, Some(Operation::Delete)),
        tombstone.clone(),
        change(3, 0, Some(Operation::Create)),
    ];
    let kept = newest(9, changes).changes;
    let operations: Vec<Operation> = kept.iter().map(|change| change.operation).collect();
    assert_eq!(
        operations,
        [Operation::Create, Operation::Delete, Operation::Create]
    );
    // The last record of another partition is not the one before it.
    tombstone.partition = 1;
    let changes = [change(2, 0, Some(Operation::Delete)), tombstone];
    assert_eq!(newest(9, changes).changes.len(), 2);
}

#[test]
fn the_oldest_changes_of_all_partitions_are_left_out() {
    let of_partition = |partition, lsns: [u64; 3]| {
        lsns.map(|lsn| {
            let mut change = change(lsn, 0, Some(Operation::Update));
            change.partition = partition;
            change
        })
    };
    let read = [of_partition(0, [2, 4, 6]), of_partition(1, [1, 3, 5])];
    let kept = newest(2, read.into_iter().flatten());
    assert_eq!(positions(&kept.changes), [5, 6]);
    assert_eq!(kept.left_out, 4);
}

#[test]
fn rows_of_other_tables_in_a_shared_topic_are_not_those_of_the_key() {
    let settings = Settings {
        table_key: Some(("of".to_owned(), "shop.public.t1".to_owned())),
        ..Settings::default()
    };
    let key: TypedKey = "1".parse().unwrap();
    let row = |of: Option<&str>| -> Row {
        let id = (Arc::from("id"), Value::Integer(1));
        let of = of.map(|table| (Arc::from("of"), Value::Text(table.to_owned())));
        [id].into_iter().chain(of).collect()
    };
    assert!(is_of(&row(Some("shop.public.t1")), &key, &settings));
    assert!(!is_of(&row(Some("shop.public.t2")), &key, &settings));
    // Keys from before the tables shared the topic.
    assert!(is_of(&row(None), &key, &settings));
    // Without such a field in the keys of the table, `of` is a column.
    assert!(!is_of(&row(Some("shop.public.t1")), &key, &Settings::default()));
}

#[test]
fn an_updated_key_leads_to_one_life_of_the_other_key() {
    let changes = two_lives();
    let event = |lsn| Some((Lsn::new(lsn), 0));
    let old = OtherKey::Old(String::new());
    let new = OtherKey::New(String::new());
    assert_eq!(positions(life(&changes, &old, event(3))), [1, 2, 3]);
    assert_eq!(positions(life(&changes, &old, event(6))), [4, 5, 6]);
    assert_eq!(positions(life(&changes, &new, event(4))), [4, 5, 6]);
    assert_eq!(positions(life(&changes, &new, event(1))), [1, 2, 3]);
    assert!(life(&changes, &new, event(7)).is_empty());
    assert!(life(&changes, &new, None).is_empty());
}

#[test]
fn a_window_contains_both_of_its_ends() {
    let within = |from, to| {
        let window = Window { from, to };
        let mut changes = two_lives();
        changes.retain(|change| is_within(change, &window));
        positions(&changes)
    };
    let lsn = |lsn| Some(PointInTime::Lsn(Lsn::new(lsn)));
    let time = |micros| Some(PointInTime::Time(micros));
    assert_eq!(within(lsn(2), lsn(4)), [2, 3, 4]);
    assert_eq!(within(time(5), None), [5, 6]);
    assert!(within(None, time(0)).is_empty());
}
