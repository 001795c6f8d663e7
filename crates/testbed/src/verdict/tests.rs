use super::*;
use crate::cell::Cell;
use crate::record::Change;

fn row(values: &[(&str, &str)]) -> Row {
    values
        .iter()
        .map(|(name, value)| ((*name).to_owned(), Some((*value).to_owned())))
        .collect()
}

fn entry(seq: i64, operation: Operation, id: i64, state: &str) -> JournalEntry {
    let id = id.to_string();
    JournalEntry {
        seq,
        xid: seq,
        table: "public.orders".to_owned(),
        operation,
        key: row(&[("id", &id)]),
        old_key: None,
        new: (operation != Operation::Delete).then(|| row(&[("id", &id), ("state", state)])),
    }
}

fn cells(values: &[(&str, Cell)]) -> Cells {
    values
        .iter()
        .map(|(name, cell)| ((*name).to_owned(), cell.clone()))
        .collect()
}

fn record(lsn: u64, part: u32, id: i64, payload: Payload) -> Record {
    Record {
        topic: "shop.public.orders".to_owned(),
        partition: 0,
        offset: i64::try_from(lsn).unwrap(),
        id: Some(ChangeId {
            commit_lsn: lsn,
            ordinal: 0,
            part,
        }),
        key: Some(cells(&[("id", Cell::Integer(id))])),
        payload,
    }
}

fn change(lsn: u64, op: &str, id: i64, state: &str) -> Record {
    let after =
        (op != "d").then(|| cells(&[("id", Cell::Integer(id)), ("state", Cell::Text(state.to_owned()))]));
    record(
        lsn,
        0,
        id,
        Payload::Change(Change {
            op: op.to_owned(),
            before: None,
            after,
            source: Cells::new(),
        }),
    )
}

fn tombstone(lsn: u64, id: i64) -> Record {
    record(lsn, 1, id, Payload::Tombstone)
}

/// Two keys, an update, a delete with its tombstone.
fn story() -> (Vec<JournalEntry>, Vec<Record>) {
    use Operation::{Create, Delete, Update};
    let journal = vec![
        entry(1, Create, 1, "placed"),
        entry(2, Create, 2, "placed"),
        entry(3, Update, 1, "paid"),
        entry(5, Update, 1, "shipped"),
        entry(6, Delete, 2, ""),
    ];
    let records = vec![
        change(1, "c", 1, "placed"),
        change(2, "c", 2, "placed"),
        change(3, "u", 1, "paid"),
        change(4, "u", 1, "shipped"),
        change(5, "d", 2, ""),
        tombstone(5, 2),
    ];
    (journal, records)
}

fn judge(alter: impl FnOnce(&mut Vec<Record>)) -> Verdict {
    let (journal, mut records) = story();
    alter(&mut records);
    compare(&journal, &records, "shop")
}

/// Counts of lost, doubled, extra, reordered, unidentified, without tombstone.
fn counts(verdict: &Verdict) -> [usize; 6] {
    verdict.kinds().map(|(_, findings)| findings.count)
}

#[test]
fn the_same_story_is_clean() {
    let verdict = judge(|_| {});
    assert!(verdict.is_clean(), "{verdict}");
    assert_eq!((verdict.expected, verdict.found, verdict.keys), (5, 5, 2));
}

#[test]
fn a_lost_change_is_seen_wherever_it_was() {
    for index in 0..4 {
        let verdict = judge(|records| drop(records.remove(index)));
        assert_eq!(counts(&verdict), [1, 0, 0, 0, 0, 0], "{index}: {verdict}");
    }
}

#[test]
fn a_lost_key_is_seen() {
    let verdict =
        judge(|records| records.retain(|record| record.key != Some(cells(&[("id", Cell::Integer(2))]))));
    assert_eq!(counts(&verdict), [2, 0, 0, 0, 0, 0], "{verdict}");
}

#[test]
fn an_empty_journal_is_not_clean() {
    let verdict = judge(Vec::clear);
    assert_eq!(verdict.lost.count, 5);
}

#[test]
fn a_change_sent_again_is_doubled() {
    let verdict = judge(|records| records.insert(3, records[2].clone()));
    assert_eq!(counts(&verdict), [0, 1, 0, 0, 0, 0], "{verdict}");
}

/// At least once: after a crash the last records come again, from an earlier one on.
#[test]
fn records_sent_again_from_an_earlier_one_are_doubled_and_nothing_else() {
    let verdict = judge(|records| {
        let again = records[1..].to_vec();
        records.truncate(5);
        records.extend(again);
    });
    assert_eq!(counts(&verdict), [0, 4, 0, 0, 0, 0], "{verdict}");
}

#[test]
fn a_change_sent_again_under_another_identity_is_extra() {
    let verdict = judge(|records| {
        records[4..]
            .iter_mut()
            .for_each(|record| record.id = record.id.map(|id| ChangeId { commit_lsn: 9, ..id }));
        records.insert(4, change(8, "u", 1, "shipped"));
    });
    assert_eq!(counts(&verdict), [0, 0, 1, 0, 0, 0], "{verdict}");
}

#[test]
fn swapped_changes_of_a_key_are_reordered() {
    let verdict = judge(|records| records.swap(2, 3));
    // Once by identity within the partition, once by the rows of the key.
    assert_eq!(counts(&verdict), [0, 0, 0, 2, 0, 0], "{verdict}");
}

#[test]
fn swapped_rows_under_rising_identities_are_reordered() {
    let verdict = judge(|records| {
        let (paid, shipped) = (records[2].payload.clone(), records[3].payload.clone());
        (records[2].payload, records[3].payload) = (shipped, paid);
    });
    assert_eq!(counts(&verdict), [0, 0, 0, 1, 0, 0], "{verdict}");
}

#[test]
fn other_values_are_one_lost_and_one_extra() {
    let verdict = judge(|records| records[2] = change(3, "u", 1, "stolen"));
    assert_eq!(counts(&verdict), [1, 0, 1, 0, 0, 0], "{verdict}");
}

#[test]
fn a_missing_column_is_seen() {
    let verdict = judge(|records| {
        if let Payload::Change(change) = &mut records[2].payload {
            change.after.as_mut().unwrap().remove("state");
        }
    });
    assert_eq!(counts(&verdict), [1, 0, 1, 0, 0, 0], "{verdict}");
}

#[test]
fn a_wide_value_that_was_not_sent_agrees() {
    let verdict = judge(|records| {
        if let Payload::Change(change) = &mut records[2].payload {
            change
                .after
                .as_mut()
                .unwrap()
                .insert("state".to_owned(), Cell::Unavailable);
        }
    });
    assert!(verdict.is_clean(), "{verdict}");
}

#[test]
fn identity_and_tombstone_are_demanded() {
    let verdict = judge(|records| records[5].id = None);
    assert_eq!(counts(&verdict), [0, 0, 0, 0, 1, 1], "{verdict}");
    let verdict = judge(|records| records.truncate(5));
    assert_eq!(counts(&verdict), [0, 0, 0, 0, 0, 1], "{verdict}");
}

#[test]
fn an_altered_key_is_a_delete_and_a_create() {
    let (mut journal, mut records) = story();
    let mut moved = entry(7, Operation::Update, 3, "shipped");
    moved.old_key = Some(row(&[("id", "1")]));
    journal.push(moved);
    records.extend([change(6, "d", 1, ""), tombstone(6, 1), {
        let mut create = change(6, "c", 3, "shipped");
        create.id = Some(ChangeId {
            commit_lsn: 6,
            ordinal: 0,
            part: 2,
        });
        create
    }]);
    let verdict = compare(&journal, &records, "shop");
    assert!(verdict.is_clean(), "{verdict}");
    records.truncate(records.len() - 1);
    assert_eq!(counts(&compare(&journal, &records, "shop")), [1, 0, 0, 0, 0, 0]);
}

#[test]
fn without_a_key_order_is_not_judged_but_number_is() {
    let (mut journal, mut records) = story();
    journal.truncate(2);
    records.truncate(2);
    journal.iter_mut().for_each(|entry| entry.key = Row::new());
    records.iter_mut().for_each(|record| record.key = None);
    journal.reverse();
    assert!(compare(&journal, &records, "shop").is_clean());
    records.pop();
    assert_eq!(counts(&compare(&journal, &records, "shop")), [1, 0, 0, 0, 0, 0]);
}

#[test]
fn snapshot_records_are_passed_over() {
    let verdict = judge(|records| records.insert(0, change(0, "r", 1, "old")));
    assert!(verdict.is_clean(), "{verdict}");
}
