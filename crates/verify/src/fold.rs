//! The fold of a topic: the newest record of a key.

use crate::digest::Sum;
use crate::entry::{KeyedEntry, RecordPlace, RowDigest, State};

/// What the records of one key say, up to the position.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Folded {
    newest: Option<KeyedEntry>,
    /// The oldest record that the row has a value of: the newest one, unless values in it are those of earlier ones.
    oldest: Option<RecordPlace>,
    /// Whether records behind the position exist.
    pub(crate) has_records_behind: bool,
    /// Whether any record of the key was there when the topic was read again, and whether the oldest one with a value of the row was.
    has_records_again: bool,
    is_oldest_again: bool,
}

/// Row of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FoldedRow {
    pub(crate) place: RecordPlace,
    /// Sum of the digests of the columns; `None` if a value that did not change is in no record.
    pub(crate) columns: Option<Sum>,
}

impl Folded {
    /// Adds the next record. Those of a partition come in its order, and count in this order: it is that of consumers. Records of
    /// another partition exist only if the number of partitions has changed, and are ordered by WAL. A row from before `truncated`
    /// is one that was deleted: it is no row, and a later one has no value of it.
    pub(crate) fn add(&mut self, mut entry: KeyedEntry, truncated: Option<(u64, u64)>) {
        match entry.state {
            State::Behind => {
                self.has_records_behind = true;
                return;
            }
            // These come after all others.
            State::Again => {
                self.has_records_again = true;
                self.is_oldest_again |= self.oldest == Some(entry.place);
                return;
            }
            State::Deleted | State::Row(_) => {}
        }
        if truncated.is_some_and(|truncated| entry.order < truncated) {
            entry.state = State::Deleted;
        }
        let before = self.newest.as_ref();
        let is_older = before.is_some_and(|newest| {
            newest.place.partition != entry.place.partition && newest.order > entry.order
        });
        if is_older {
            return;
        }
        let mut oldest = Some(entry.place);
        if let State::Row(row) = &mut entry.state
            && let Some(State::Row(earlier)) = before.map(|newest| &newest.state)
            && complete(row, earlier)
        {
            oldest = self.oldest;
        }
        (self.newest, self.oldest) = (Some(entry), oldest);
    }

    /// Whether any record up to the position exists.
    pub(crate) fn has_records(&self) -> bool {
        self.newest.is_some()
    }

    /// Whether compaction has removed records of the key while the topic was read, so that one with a value of the row may be among
    /// them. It removes all records of a key up to a later one, from the beginning of the partition on: while the oldest record that
    /// the row has a value of is there, none behind it is gone.
    pub(crate) fn has_given_way(&self) -> bool {
        match self.newest {
            Some(_) => !self.is_oldest_again,
            None => self.has_records_again,
        }
    }

    /// The row, unless it is deleted.
    pub(crate) fn row(&self) -> Option<FoldedRow> {
        let newest = self.newest.as_ref()?;
        let State::Row(row) = &newest.state else {
            return None;
        };
        Some(FoldedRow {
            place: newest.place,
            columns: row.unsent.is_empty().then_some(row.columns),
        })
    }
}

/// Takes the values that a record does not have from the record before; true if it had any of them.
fn complete(row: &mut RowDigest, earlier: &RowDigest) -> bool {
    let RowDigest {
        columns,
        unsent,
        kept,
    } = row;
    let lacking = unsent.len();
    unsent.retain(|label| {
        let found = earlier.kept.iter().find(|(other, _)| other == label);
        match found {
            Some((label, digest)) => {
                columns.add(*digest);
                kept.push((*label, *digest));
                false
            }
            None => true,
        }
    });
    unsent.len() < lacking
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::Digest;

    fn digest(byte: u8) -> Digest {
        Digest::from_bytes([byte; 16])
    }

    fn sum(bytes: &[u8]) -> Sum {
        let mut sum = Sum::default();
        bytes.iter().for_each(|byte| sum.add(digest(*byte)));
        sum
    }

    fn entry(partition: i32, offset: i64, lsn: u64, state: State) -> KeyedEntry {
        KeyedEntry {
            place: RecordPlace { partition, offset },
            order: (lsn, 1),
            state,
        }
    }

    fn row(known: &[u8], unsent: &[u64]) -> State {
        State::Row(RowDigest {
            columns: sum(known),
            unsent: unsent.to_vec(),
            kept: known
                .iter()
                .map(|byte| (u64::from(*byte), digest(*byte)))
                .collect(),
        })
    }

    fn folded(entries: impl IntoIterator<Item = KeyedEntry>) -> Folded {
        truncated(None, entries)
    }

    fn truncated(at: Option<(u64, u64)>, entries: impl IntoIterator<Item = KeyedEntry>) -> Folded {
        let mut folded = Folded::default();
        entries.into_iter().for_each(|entry| folded.add(entry, at));
        folded
    }

    #[test]
    fn the_last_record_of_a_partition_counts_even_if_it_is_stale() {
        let stale = folded([entry(0, 1, 20, row(&[1], &[])), entry(0, 2, 10, row(&[2], &[]))]);
        assert_eq!(stale.row().unwrap().columns, Some(sum(&[2])));
        let deleted = folded([entry(0, 1, 20, row(&[1], &[])), entry(0, 2, 20, State::Deleted)]);
        assert_eq!(deleted.row(), None);
        assert!(deleted.has_records());
    }

    #[test]
    fn records_of_two_partitions_are_ordered_by_wal() {
        let moved = folded([entry(1, 9, 20, row(&[1], &[])), entry(0, 50, 10, row(&[2], &[]))]);
        assert_eq!(moved.row().unwrap().columns, Some(sum(&[1])));
    }

    #[test]
    fn a_record_behind_the_position_is_only_noticed() {
        let behind = folded([entry(0, 1, 20, State::Behind)]);
        assert!(!behind.has_records() && behind.has_records_behind);
    }

    #[test]
    fn a_newest_record_that_is_gone_has_given_way() {
        let first = || entry(0, 1, 20, row(&[1], &[]));
        let again = |offset| entry(0, offset, 0, State::Again);
        assert!(!folded([first(), again(1)]).has_given_way());
        assert!(!folded([first(), again(1), again(7)]).has_given_way());
        // A later record took its place.
        assert!(folded([first(), again(7)]).has_given_way());
        assert!(folded([first()]).has_given_way());
        // It was written after the end of the first reading.
        assert!(folded([again(7)]).has_given_way());
        assert!(!folded([]).has_given_way());
        let unchanged = folded([first(), again(1)]);
        assert_eq!(unchanged.row().unwrap().columns, Some(sum(&[1])));
    }

    #[test]
    fn a_record_that_a_value_was_taken_from_has_given_way() {
        let records = || {
            [
                entry(0, 1, 10, row(&[1, 2], &[])),
                entry(0, 5, 20, row(&[3], &[2])),
                entry(0, 7, 30, row(&[4], &[2])),
            ]
        };
        let read_again = |places: &[i64]| {
            let again = places.iter().map(|offset| entry(0, *offset, 0, State::Again));
            folded(records().into_iter().chain(again)).has_given_way()
        };
        assert!(!read_again(&[1, 5, 7]));
        // One between the first two may have had another value.
        assert!(read_again(&[5, 7]));
        assert!(read_again(&[7]));
        // The last record has all its values.
        let whole = entry(0, 9, 40, row(&[2, 4], &[]));
        let again = entry(0, 9, 0, State::Again);
        assert!(!folded(records().into_iter().chain([whole, again])).has_given_way());
    }

    #[test]
    fn values_that_did_not_change_come_from_earlier_records() {
        let first = entry(0, 1, 10, row(&[1, 2], &[]));
        let second = entry(0, 2, 20, row(&[3], &[2]));
        let third = entry(0, 3, 30, row(&[4], &[2]));
        let all = folded([first.clone(), second.clone(), third.clone()]);
        assert_eq!(all.row().unwrap().columns, Some(sum(&[4, 2])));
        // Its first record is missing.
        assert_eq!(folded([second.clone(), third]).row().unwrap().columns, None);
        // A deleted row's values are not those of a new one.
        let again = folded([first, entry(0, 2, 15, State::Deleted), second]);
        assert_eq!(again.row().unwrap().columns, None);
    }

    #[test]
    fn a_truncation_removes_earlier_rows() {
        let rows = [entry(0, 1, 10, row(&[1], &[]))];
        assert_eq!(truncated(Some((11, 0)), rows.clone()).row(), None);
        assert!(truncated(Some((10, 0)), rows).row().is_some());
    }

    #[test]
    fn a_row_from_before_a_truncation_completes_none_after_it() {
        let before = entry(0, 1, 10, row(&[1, 2], &[]));
        let after = entry(0, 2, 20, row(&[3], &[2]));
        let rows = [before, after];
        assert_eq!(folded(rows.clone()).row().unwrap().columns, Some(sum(&[3, 2])));
        let row = truncated(Some((15, 0)), rows).row().unwrap();
        assert_eq!((row.place.offset, row.columns), (2, None));
    }
}
