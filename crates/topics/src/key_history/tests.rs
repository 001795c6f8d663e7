//! Which records are changes of a key, and which of them are shown.

use super::*;
use crate::record::{Record, RecordSchemas};
use crate::value::{Row, Value};

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

#[test]
fn a_tombstone_behind_its_delete_is_no_change() {
    let changes = vec![
        change(1, 0, Some(Operation::Delete)),
        change(1, 1, None),
        change(2, 0, Some(Operation::Delete)),
        change(3, 0, None),
    ];
    assert_eq!(positions(&without_tombstones(changes)), [1, 2, 3]);
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
