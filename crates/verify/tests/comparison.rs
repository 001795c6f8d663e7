//! Comparisons of random histories with a model: what was planted is found, and nothing else is.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::collections::{BTreeMap, BTreeSet};

use proptest::collection::vec;
use proptest::prelude::*;
use walcast_pgoutput::Lsn;
use walcast_verify::{
    After, ComparedColumn, ComparedColumns, Comparison, Completeness, Digest, Kind, Place, Reason,
    RecordPlace, Tally, Value,
};

/// Findings that are kept: more than there are.
const LIMIT: usize = 1000;

/// Position of the snapshot: changes with a number below it are in it.
const POSITION: u64 = 60;

fn columns() -> ComparedColumns {
    let large = ComparedColumn {
        placeholder: Some(Value::Text("unavailable".to_owned())),
        ..ComparedColumn::default()
    };
    ComparedColumns::new([
        ("note".to_owned(), ComparedColumn::default()),
        ("large".to_owned(), large),
    ])
}

fn key(key: u8) -> Value {
    Value::Record([("id".to_owned(), Value::Int(i64::from(key)))].into())
}

fn row(note: u8, large: Option<u8>) -> Value {
    let large = match large {
        Some(number) => format!("a large value with number {number}"),
        None => "unavailable".to_owned(),
    };
    let note = Value::Int(i64::from(note));
    Value::Record(
        [
            ("note".to_owned(), note),
            ("large".to_owned(), Value::Text(large)),
        ]
        .into(),
    )
}

/// Change of a key: a row whose large value changes or not, or a delete.
#[derive(Clone, Copy, Debug)]
enum Change {
    Row { note: u8, large: Option<u8> },
    Delete,
}

fn changes() -> impl Strategy<Value = Vec<(u8, Change)>> {
    let change = prop_oneof![
        4 => (any::<u8>(), proptest::option::of(any::<u8>())).prop_map(|(note, large)| Change::Row { note, large }),
        1 => Just(Change::Delete),
    ];
    vec((0_u8..12, change), 0..120)
}

/// A comparison to which every change was added, and the rows of the source at the position.
fn compared(changes: &[(u8, Change)]) -> (Comparison, BTreeMap<u8, (u8, u8)>) {
    let mut comparison = Comparison::new(Lsn::new(POSITION), true);
    let (columns, mut now) = (columns(), BTreeMap::new());
    let mut at_position = BTreeMap::new();
    for (number, (id, change)) in changes.iter().enumerate() {
        let number = number as u64;
        if number == POSITION {
            at_position = now.clone();
        }
        // A key stays in its partition. The first row of a key has its large value.
        let place = RecordPlace {
            partition: i32::from(id % 3),
            offset: i64::try_from(number).unwrap(),
        };
        let position = Place::of_change(Lsn::new(number), 0);
        let after = match *change {
            Change::Row { note, large } => {
                let before = now.get(id).map(|(_, large)| *large);
                let sent = match (large, before) {
                    (Some(large), _) => Some(large),
                    (None, Some(_)) => None,
                    (None, None) => Some(note),
                };
                now.insert(*id, (note, sent.or(before).unwrap()));
                Some(row(note, sent))
            }
            Change::Delete => {
                now.remove(id);
                None
            }
        };
        let after = after.as_ref().map_or(After::Nothing, After::Row);
        comparison
            .add_record(&key(*id), &after, &columns, place, &position)
            .unwrap();
    }
    if changes.len() as u64 <= POSITION {
        at_position = now;
    }
    (comparison, at_position)
}

fn add_source(comparison: &mut Comparison, rows: &BTreeMap<u8, (u8, u8)>) {
    for (id, (note, large)) in rows {
        let row = row(*note, Some(*large));
        comparison.add_source(Some(&key(*id)), &row, &columns()).unwrap();
    }
}

fn tally(comparison: &mut Comparison, completeness: Completeness) -> Tally {
    comparison.compare(&completeness, LIMIT).unwrap()
}

fn found(tally: &Tally) -> BTreeSet<(Kind, Digest)> {
    tally
        .findings
        .iter()
        .map(|finding| (finding.kind, finding.digest))
        .collect()
}

proptest! {
    #[test]
    fn a_topic_with_every_change_is_identical(changes in changes()) {
        let (mut comparison, rows) = compared(&changes);
        add_source(&mut comparison, &rows);
        let tally = tally(&mut comparison, Completeness::default());
        prop_assert_eq!(tally.counts.len(), 0, "{:?}", tally);
        prop_assert_eq!(tally.source, tally.topic);
        prop_assert_eq!(tally.identical, rows.len() as u64);
    }

    #[test]
    fn each_altered_row_of_the_source_is_found_and_nothing_else(
        changes in changes(), altered in vec((0_u8..12, 0_u8..3), 0..4)
    ) {
        let (mut comparison, rows) = compared(&changes);
        let (mut source, mut expected) = (rows.clone(), BTreeMap::new());
        for (id, how) in altered {
            let other = rows.get(&id).map_or(1, |(note, _)| note.wrapping_add(1));
            match (how, source.contains_key(&id)) {
                (0, true) => {
                    source.remove(&id);
                }
                (1, true) => {
                    source.insert(id, (other, 7));
                }
                (_, false) => {
                    source.insert(id, (1, 1));
                }
                _ => {}
            }
            let kind = match (rows.get(&id), source.get(&id)) {
                (Some(_), None) => Some(Kind::Extra),
                (None, Some(_)) => Some(Kind::Missing),
                (Some(row), Some(now)) if row != now => Some(Kind::Different),
                _ => None,
            };
            expected.insert(id, kind);
        }
        add_source(&mut comparison, &source);
        let tally = tally(&mut comparison, Completeness::default());
        let expected: BTreeSet<(Kind, Digest)> = expected
            .into_iter()
            .filter_map(|(id, kind)| Some((kind?, Digest::of_key(&key(id)))))
            .collect();
        prop_assert_eq!(found(&tally), expected.clone());
        prop_assert_eq!(tally.source == tally.topic, expected.is_empty());
    }

    #[test]
    fn multisets_are_compared_by_their_copies(
        added in vec(0_u8..4, 0..40), removed in vec(any::<prop::sample::Index>(), 0..10), lost in 0_usize..3
    ) {
        let mut comparison = Comparison::new(Lsn::new(1000), false);
        let columns = columns();
        let mut rows = added.clone();
        let mut number = 0;
        let mut add = |comparison: &mut Comparison, note: u8, is_added| {
            number += 1;
            let place = RecordPlace { partition: 0, offset: number };
            let position = Place::of_change(Lsn::new(u64::try_from(number).unwrap()), 0);
            comparison.add_record_without_key(&row(note, Some(0)), is_added, &columns, place, &position).unwrap();
        };
        for note in &added {
            add(&mut comparison, *note, true);
        }
        for index in removed {
            if !rows.is_empty() {
                let note = rows.remove(index.index(rows.len()));
                add(&mut comparison, note, false);
            }
        }
        let lost = lost.min(rows.len());
        for note in &rows[lost..] {
            comparison.add_source(None, &row(*note, Some(0)), &columns).unwrap();
        }
        let tally = tally(&mut comparison, Completeness::default());
        prop_assert_eq!(tally.differences(), lost as u64);
        prop_assert_eq!(tally.counts.get(&Kind::Extra).copied().unwrap_or_default(), lost as u64);
        prop_assert_eq!(tally.topic.rows, rows.len() as u64);
    }
}

/// The one finding when a source has a row for key 1, and the topic what `fill` adds.
fn one(completeness: Completeness, fill: impl Fn(&mut Comparison)) -> (Kind, Option<Reason>) {
    let mut comparison = Comparison::new(Lsn::new(POSITION), true);
    fill(&mut comparison);
    add_source(&mut comparison, &[(1, (1, 1))].into());
    let tally = tally(&mut comparison, completeness);
    assert_eq!(tally.findings.len(), 1, "{tally:?}");
    (tally.findings[0].kind, tally.findings[0].reason)
}

fn add_at(comparison: &mut Comparison, lsn: u64, after: &After<'_>) {
    let place = RecordPlace {
        partition: 0,
        offset: i64::try_from(lsn).unwrap(),
    };
    let position = Place::of_change(Lsn::new(lsn), 0);
    comparison
        .add_record(&key(1), after, &columns(), place, &position)
        .unwrap();
}

#[test]
fn a_key_whose_records_may_be_gone_is_neither_missing_nor_equal() {
    let expired = Completeness {
        is_expired: true,
        ..Completeness::default()
    };
    let compacted = Completeness {
        is_compacted: true,
        ..Completeness::default()
    };
    let unread = Completeness {
        omits_existing_rows: true,
        ..Completeness::default()
    };
    let nothing = |_: &mut Comparison| {};
    assert_eq!(one(Completeness::default(), nothing), (Kind::Missing, None));
    assert_eq!(one(expired, nothing), (Kind::Unverifiable, Some(Reason::Expired)));
    assert_eq!(one(unread, nothing), (Kind::Unverifiable, Some(Reason::NotRead)));
    // Compaction keeps the last record of a key.
    assert_eq!(one(compacted, nothing), (Kind::Missing, None));
    let later = |comparison: &mut Comparison| add_at(comparison, POSITION, &After::Row(&row(1, Some(1))));
    assert_eq!(
        one(compacted, later),
        (Kind::Unverifiable, Some(Reason::Compacted))
    );
    assert_eq!(one(Completeness::default(), later), (Kind::Missing, None));
    // A delete is known whatever is gone.
    let deleted = |comparison: &mut Comparison| add_at(comparison, 1, &After::Nothing);
    assert_eq!(one(expired, deleted), (Kind::Missing, None));
    let unsent = |comparison: &mut Comparison| add_at(comparison, 1, &After::Row(&row(1, None)));
    assert_eq!(
        one(Completeness::default(), unsent),
        (Kind::Unverifiable, Some(Reason::Unsent))
    );
}

#[test]
fn a_key_whose_deciding_record_was_compacted_meanwhile_is_not_different() {
    let mut comparison = Comparison::new(Lsn::new(POSITION), true);
    add_at(&mut comparison, 1, &After::Row(&row(2, Some(2))));
    add_source(&mut comparison, &[(1, (1, 1))].into());
    let compacted = Completeness {
        is_compacted: true,
        ..Completeness::default()
    };
    let again = Completeness {
        is_read_again: true,
        ..compacted
    };
    let one = |tally: &Tally| {
        assert_eq!(tally.findings.len(), 1, "{tally:?}");
        (tally.findings[0].kind, tally.findings[0].reason)
    };
    let first = tally(&mut comparison, compacted);
    assert_eq!(one(&first), (Kind::Different, None));
    assert_eq!(first.differing().map(|keys| keys.len()), Some(1));
    let add_again = |comparison: &mut Comparison, offset: i64| {
        let place = RecordPlace { partition: 0, offset };
        comparison.add_again(&key(1), place, None).unwrap();
    };
    // Only a later record is left, of which one between both may have been the reason.
    add_again(&mut comparison, 70);
    let second = tally(&mut comparison, again);
    assert_eq!(one(&second), (Kind::Unverifiable, Some(Reason::Compacted)));
    assert_eq!(second.differing(), Some(BTreeSet::new()));
    add_again(&mut comparison, 1);
    assert_eq!(one(&tally(&mut comparison, again)), (Kind::Different, None));
}

#[test]
fn a_key_of_several_rows_is_unverifiable() {
    let shared = |comparison: &mut Comparison| add_source(comparison, &[(1, (9, 9))].into());
    assert_eq!(
        one(Completeness::default(), shared),
        (Kind::Unverifiable, Some(Reason::SharedKey))
    );
}

#[test]
fn rows_outside_of_a_selection_are_ignored() {
    let mut comparison = Comparison::new(Lsn::new(POSITION), true);
    add_at(&mut comparison, 1, &After::Row(&row(1, Some(1))));
    let selection = Completeness {
        is_selection: true,
        ..Completeness::default()
    };
    assert!(tally(&mut comparison, selection).findings.is_empty());
    assert_eq!(tally(&mut comparison, Completeness::default()).findings.len(), 1);
}

#[test]
fn a_truncation_empties_the_table() {
    let mut comparison = Comparison::new(Lsn::new(POSITION), true);
    add_at(&mut comparison, 1, &After::Row(&row(1, Some(1))));
    comparison.truncate(&Place::of_change(Lsn::new(2), 0));
    // One behind the position is not in the snapshot.
    comparison.truncate(&Place::of_change(Lsn::new(POSITION + 1), 0));
    let tally = tally(&mut comparison, Completeness::default());
    assert!(tally.findings.is_empty() && tally.topic.rows == 0, "{tally:?}");
}

#[test]
fn a_record_that_retention_removed_meanwhile_counts_as_removed() {
    let expired = Completeness {
        is_expired: true,
        ..Completeness::default()
    };
    // The only record of the key was read, and a later one of it may have been removed before it was.
    let stale = |comparison: &mut Comparison| {
        add_at(comparison, 1, &After::Row(&row(9, Some(9))));
        comparison.removed_before(0, 2);
    };
    assert_eq!(one(expired, stale), (Kind::Unverifiable, Some(Reason::Expired)));
    let equal = |comparison: &mut Comparison| {
        add_at(comparison, 1, &After::Row(&row(1, Some(1))));
        comparison.removed_before(0, 2);
    };
    assert_eq!(one(expired, equal), (Kind::Unverifiable, Some(Reason::Expired)));
    // A record that is left counts, and completes no value from one that is not.
    let unsent = |comparison: &mut Comparison| {
        add_at(comparison, 1, &After::Row(&row(1, Some(9))));
        add_at(comparison, 5, &After::Row(&row(1, None)));
        comparison.removed_before(0, 2);
    };
    assert_eq!(one(expired, unsent), (Kind::Unverifiable, Some(Reason::Unsent)));
    let different = |comparison: &mut Comparison| {
        add_at(comparison, 5, &After::Row(&row(9, Some(9))));
        comparison.removed_before(0, 2);
        comparison.removed_before(1, 9);
    };
    assert_eq!(one(expired, different), (Kind::Different, None));
}

#[test]
fn copies_cannot_be_counted_without_the_first_records() {
    let mut comparison = Comparison::new(Lsn::new(POSITION), false);
    let place = RecordPlace {
        partition: 0,
        offset: 5,
    };
    let position = Place::of_change(Lsn::new(5), 0);
    comparison
        .add_record_without_key(&row(1, Some(1)), true, &columns(), place, &position)
        .unwrap();
    let kinds = |comparison: &mut Comparison, completeness| -> Vec<Kind> {
        let tally = tally(comparison, completeness);
        tally.findings.iter().map(|finding| finding.kind).collect()
    };
    let expired = Completeness {
        is_expired: true,
        ..Completeness::default()
    };
    assert_eq!(kinds(&mut comparison, expired), [Kind::Unverifiable]);
    assert_eq!(kinds(&mut comparison, Completeness::default()), [Kind::Extra]);
}

#[test]
fn a_value_from_before_a_truncation_completes_no_row() {
    let truncated = |comparison: &mut Comparison| {
        add_at(comparison, 1, &After::Row(&row(1, Some(9))));
        comparison.truncate(&Place::of_change(Lsn::new(2), 0));
        add_at(comparison, 5, &After::Row(&row(1, None)));
    };
    assert_eq!(
        one(Completeness::default(), truncated),
        (Kind::Unverifiable, Some(Reason::Unsent))
    );
}

#[test]
fn only_the_listed_findings_are_limited() {
    let mut comparison = Comparison::new(Lsn::new(POSITION), true);
    add_source(&mut comparison, &(0..50).map(|id| (id, (1, 1))).collect());
    let tally = comparison.compare(&Completeness::default(), 3).unwrap();
    assert_eq!((tally.findings.len(), tally.differences()), (3, 50));
}

#[test]
fn only_the_chosen_keys_are_compared() {
    let chosen = Digest::of_key(&key(2));
    let mut comparison = Comparison::new(Lsn::new(POSITION), true).only([chosen].into());
    add_source(&mut comparison, &[(1, (1, 1)), (2, (1, 1))].into());
    let tally = tally(&mut comparison, Completeness::default());
    assert_eq!(found(&tally), [(Kind::Missing, chosen)].into());
    assert_eq!(tally.source.rows, 1);
}
