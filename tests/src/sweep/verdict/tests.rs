use serde_json::json;

use super::super::journal::Row;
use super::*;

const TABLE: &str = "public.t1";

fn row(id: i64, value: &str) -> Row {
    Row::from([
        ("id".to_owned(), Some(id.to_string())),
        ("v".to_owned(), Some(value.to_owned())),
    ])
}

/// An entry of transaction `xid`, which lies between the positions `10 * xid` and `10 * xid + 9`.
fn entry(xid: i64, event: Event, id: i64, value: &str) -> Entry {
    let begin = xid.unsigned_abs() * 10;
    Entry {
        xid,
        begin,
        end: begin + 9,
        oid: 1,
        epoch: 0,
        table: TABLE.to_owned(),
        is_logged: true,
        has_full_identity: false,
        has_key: true,
        id,
        event,
        row: row(id, value),
    }
}

/// A record of transaction `xid`; of a row that was read at `xid * 10` for `Op::Read`.
fn record(xid: i64, op: Op, id: i64, value: &str) -> Record {
    let object = |value: serde_json::Value| value.as_object().cloned().unwrap();
    let key = object(json!({ "id": id }));
    Record {
        place: format!("t@{xid}"),
        op,
        xid: (op != Op::Read).then_some(xid),
        position: xid.unsigned_abs() * 10 + if op == Op::Read { 0 } else { 5 },
        id: Some(id),
        row: if op == Op::Tombstone {
            object(json!({}))
        } else {
            object(json!({ "id": id, "v": value }))
        },
        key: Some(key),
    }
}

fn judge(entries: &[Entry], records: &[Record], reports: &Reports) -> Verdict {
    let journal = Journal {
        entries: entries.to_vec(),
    };
    let delivered = Delivered::from([(TABLE.to_owned(), records.to_vec())]);
    Verdict::of(&journal, &delivered, reports)
}

/// Panics unless exactly one difference, with this text, is found.
fn assert_difference(entries: &[Entry], records: &[Record], text: &str) {
    let verdict = judge(entries, records, &Reports::default());
    assert!(
        verdict.differences.len() == 1 && verdict.differences[0].contains(text),
        "{text}: {verdict:#?}"
    );
}

fn written() -> Vec<Entry> {
    vec![
        entry(1, Event::Inserted, 1, "a"),
        entry(2, Event::Updated, 1, "b"),
        entry(3, Event::Rekeyed(1), 2, "b"),
        entry(4, Event::Deleted, 2, "b"),
    ]
}

fn records() -> Vec<Record> {
    vec![
        record(1, Op::Create, 1, "a"),
        record(2, Op::Update, 1, "b"),
        record(3, Op::Delete, 1, ""),
        record(3, Op::Tombstone, 1, ""),
        record(3, Op::Create, 2, "b"),
        record(4, Op::Delete, 2, ""),
        record(4, Op::Tombstone, 2, ""),
    ]
}

#[test]
fn changes_that_come_once_and_in_order_are_all_there() {
    let verdict = judge(&written(), &records(), &Reports::default());
    assert_eq!((verdict.delivered, &verdict.differences[..]), (4, &[][..]));
}

#[test]
fn a_row_is_read_with_labels_that_are_newer_than_its_snapshot() {
    let entries = [
        entry(1, Event::Inserted, 1, "a"),
        entry(3, Event::Reshaped, 1, "b"),
        entry(4, Event::Updated, 1, "c"),
    ];
    let read = |value| {
        let updated = record(4, Op::Update, 1, "c");
        judge(
            &entries,
            &[record(2, Op::Read, 1, value), updated],
            &Reports::default(),
        )
        .differences
    };
    assert_eq!(read("b"), [""; 0]);
    assert_eq!(read("a"), [""; 0]);
    assert_eq!(read("c").len(), 1);
}

#[test]
fn without_a_key_a_row_that_moved_to_another_id_has_no_delete() {
    let mut entries = vec![
        entry(1, Event::Inserted, 1, "a"),
        entry(3, Event::Rekeyed(1), 2, "a"),
    ];
    for entry in &mut entries {
        (entry.has_key, entry.has_full_identity) = (false, true);
    }
    let mut read = record(2, Op::Read, 1, "a");
    let mut moved = record(3, Op::Update, 2, "a");
    (read.key, moved.key) = (None, None);
    let verdict = judge(&entries, &[read.clone(), moved], &Reports::default());
    assert_eq!(verdict.differences, [""; 0]);
    let verdict = judge(&entries, &[read], &Reports::default());
    assert!(!verdict.differences.is_empty());
}

#[test]
fn a_change_that_is_missing_doubled_altered_or_misplaced_is_found() {
    let without = |number: usize| {
        let mut records = records();
        records.remove(number);
        records
    };
    assert_difference(&written(), &without(1), "lacks a change");
    let mut doubled = records();
    doubled.insert(1, doubled[0].clone());
    assert_difference(&written(), &doubled, "comes twice or out of order");
    let mut altered = records();
    altered[1] = record(2, Op::Update, 1, "c");
    assert_difference(&written(), &altered, "has other values");
    let mut unknown = records();
    unknown.push(record(9, Op::Create, 9, "x"));
    assert_difference(&written(), &unknown, "was never committed");
    let mut tombstone = records();
    tombstone.push(record(4, Op::Tombstone, 3, ""));
    assert_difference(&written(), &tombstone, "tombstone without a delete");
    let mut keyless = records();
    keyless[0].key = None;
    assert_difference(&written(), &keyless, "has no key");
    let mut early = records();
    early[1].position = 1;
    assert_difference(&written(), &early, "is out of order");
}

#[test]
fn changes_before_the_capture_are_superseded_by_the_rows_that_are_read() {
    let entries = [
        entry(1, Event::Inserted, 1, "a"),
        entry(2, Event::Inserted, 2, "a"),
        entry(4, Event::Updated, 1, "b"),
    ];
    let read = [
        record(3, Op::Read, 1, "a"),
        record(3, Op::Read, 2, "a"),
        record(4, Op::Update, 1, "b"),
    ];
    let verdict = judge(&entries, &read, &Reports::default());
    assert_eq!((verdict.superseded, &verdict.differences[..]), (2, &[][..]));
    assert_difference(
        &entries,
        &[read[0].clone(), read[2].clone()],
        "newest state of row 2",
    );
    let mut stale = read.to_vec();
    stale[1] = record(3, Op::Read, 2, "z");
    assert_difference(&entries, &stale, "did not exist so");
}

#[test]
fn rows_that_arrive_have_to_be_read() {
    let entries = [entry(1, Event::Arrived, 1, "a")];
    assert_difference(&entries, &[], "newest state of row 1");
    let read = [record(2, Op::Read, 1, "a")];
    assert!(judge(&entries, &read, &Reports::default()).differences.is_empty());
    let left = [
        entry(1, Event::Arrived, 1, "a"),
        entry(2, Event::Departed, 1, "a"),
    ];
    assert!(judge(&left, &[], &Reports::default()).differences.is_empty());
}

#[test]
fn missing_changes_that_were_reported_are_no_difference() {
    let halted = Reports {
        halt: Some("halted".to_owned()),
        ..Reports::default()
    };
    let verdict = judge(&written(), &records()[..1], &halted);
    assert_eq!((verdict.reported, &verdict.differences[..]), (3, &[][..]));
}
