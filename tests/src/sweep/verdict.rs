//! The comparison of journal and topics.
//!
//! The changes of a topic must be those of the journal: once, in commit order, with the values that each row had. A change may be
//! missing only
//! - before the first change that was delivered of a table since its rows came, if the topic then shows the newest state of the row:
//!   the table was not captured yet, and its rows were read later;
//! - if the connector reported that changes of the table are missing, or halted.

use std::collections::{BTreeMap, BTreeSet};

use super::delivered::{Delivered, Op, Record};
use super::journal::{Entry, Event, Journal};
use super::reports::Reports;
use super::value::differences;

/// Result of the comparison.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Verdict {
    /// Changes that were delivered.
    pub(super) delivered: u64,
    /// Rows that were read.
    pub(super) read: u64,
    /// Changes that are missing and were superseded by a row that was read later.
    pub(super) superseded: u64,
    /// Changes that are missing and were reported.
    pub(super) reported: u64,
    /// Everything that is not as it must be.
    pub(super) differences: Vec<String>,
}

impl Verdict {
    /// Compares.
    pub(super) fn of(journal: &Journal, delivered: &Delivered, reports: &Reports) -> Verdict {
        let mut verdict = Verdict::default();
        let mut tables: BTreeSet<&str> = journal.tables();
        tables.extend(delivered.keys().map(String::as_str));
        let none = Vec::new();
        let mut found = BTreeMap::new();
        let mut suspects = BTreeSet::new();
        for table in tables {
            let mut topic = Topic {
                journal,
                table,
                records: delivered.get(table).unwrap_or(&none),
                expected: journal.streamed(table),
                found: BTreeMap::new(),
            };
            topic.judge(&mut verdict);
            suspects.extend(topic.judge_missing(&mut verdict, reports));
            found.extend(
                topic
                    .found
                    .into_iter()
                    .map(|(entry, number)| (entry, (table, number))),
            );
        }
        let newest = Newest {
            journal,
            delivered,
            reports,
            found,
        };
        let differences = suspects.into_iter().filter_map(|id| newest.difference(id));
        verdict.differences.extend(differences);
        verdict
    }
}

/// One topic beside the part of the journal that it must hold.
struct Topic<'a> {
    journal: &'a Journal,
    table: &'a str,
    records: &'a [Record],
    /// Places of the entries that the stream has.
    expected: Vec<usize>,
    /// Records of entries, by the place of the entry.
    found: BTreeMap<usize, usize>,
}

impl Topic<'_> {
    fn judge(&mut self, verdict: &mut Verdict) {
        let mut furthest = 0;
        let mut next = 0;
        for (number, record) in self.records.iter().enumerate() {
            if record.op == Op::Tombstone {
                self.judge_tombstone(number, verdict);
                continue;
            }
            if record.position < furthest {
                let text = format!("{} is out of order: {record:?}", record.place);
                verdict.differences.push(text);
            }
            furthest = furthest.max(record.position);
            match record.op {
                Op::Read => self.judge_read(record, verdict),
                _ => next = self.judge_change(number, record, next, verdict),
            }
        }
    }

    /// A tombstone follows the delete of its key.
    fn judge_tombstone(&self, number: usize, verdict: &mut Verdict) {
        let record = &self.records[number];
        let before = number.checked_sub(1).map(|before| &self.records[before]);
        if !before.is_some_and(|before| before.op == Op::Delete && before.key == record.key) {
            let text = format!("{} is a tombstone without a delete", record.place);
            verdict.differences.push(text);
        }
    }

    /// A row that was read is as it was at the position of its snapshot.
    fn judge_read(&self, record: &Record, verdict: &mut Verdict) {
        verdict.read += 1;
        let states = self
            .journal
            .states_at(record.id.unwrap_or_default(), record.position);
        let differing: Vec<Vec<String>> = states
            .iter()
            .map(|state| differences(state, &record.row))
            .collect();
        if !differing.iter().any(Vec::is_empty) {
            verdict.differences.push(format!(
                "{} is a row that was read and did not exist so: {:?} at {:X}, {differing:?}",
                record.place, record.row, record.position
            ));
        }
    }

    /// Looks a change up among those that are expected from `next` on; where the search continues.
    fn judge_change(&mut self, number: usize, record: &Record, next: usize, verdict: &mut Verdict) -> usize {
        let is_of = |place: &usize| is_record_of(&self.journal.entries[*place], record);
        let candidates = || (next..self.expected.len()).filter(|one| is_of(&self.expected[*one]));
        let equal = candidates().find(|one| self.values_of(*one, record).is_empty());
        let Some(place) = equal.or_else(|| candidates().next()) else {
            let what = if self.expected.iter().any(is_of) {
                "comes twice or out of order"
            } else {
                "was never committed"
            };
            let text = format!("{} {what}: {record:?}", record.place);
            verdict.differences.push(text);
            return next;
        };
        let differing = self.values_of(place, record);
        if !differing.is_empty() {
            let text = format!(
                "{} has other values than were written: {differing:?}",
                record.place
            );
            verdict.differences.push(text);
        }
        let entry = &self.journal.entries[self.expected[place]];
        if record.key.is_none() && entry.has_key && !entry.has_full_identity {
            verdict.differences.push(format!("{} has no key", record.place));
        }
        let is_first_half = matches!(entry.event, Event::Rekeyed(_)) && record.op == Op::Delete;
        if is_first_half {
            // The create with the new key follows.
            return place;
        }
        verdict.delivered += 1;
        self.found.insert(self.expected[place], number);
        place + 1
    }

    /// Values of a record, and of its key, that differ from what was written.
    fn values_of(&self, place: usize, record: &Record) -> Vec<String> {
        let entry = &self.journal.entries[self.expected[place]];
        let is_old = record.op == Op::Delete;
        let of_row = match record.op {
            Op::Delete if entry.event != Event::Deleted || !entry.has_full_identity => Vec::new(),
            _ => differences(&entry.row, &record.row),
        };
        let key = record.key.iter().flatten();
        let of_key = key.filter(|(column, value)| match entry.event {
            Event::Rekeyed(_) if is_old => false,
            _ => match entry.row.get(*column) {
                Some(text) => !super::value::agrees(text.as_deref(), value),
                None => true,
            },
        });
        of_row
            .into_iter()
            .chain(of_key.map(|(column, value)| format!("the key has {column} {value}")))
            .collect()
    }

    /// Judges changes that are missing. The rows of those that may be missing, whose newest state the topics must show.
    fn judge_missing(&self, verdict: &mut Verdict, reports: &Reports) -> BTreeSet<i64> {
        let is_excused = reports.excuse(self.table);
        let mut streaming: BTreeSet<(i64, u32)> = BTreeSet::new();
        let mut suspects: BTreeSet<i64> = BTreeSet::new();
        for place in &self.expected {
            let entry = &self.journal.entries[*place];
            let since = (entry.oid, entry.epoch);
            if self.found.contains_key(place) {
                streaming.insert(since);
            } else if is_excused {
                verdict.reported += 1;
            } else if streaming.contains(&since) {
                verdict.differences.push(format!(
                    "{} lacks a change behind others of its table: {entry:?}",
                    self.table
                ));
            } else {
                verdict.superseded += 1;
                suspects.extend([entry.id, entry.earlier_id()]);
            }
        }
        let arrived = self.journal.entries.iter().filter(|entry| {
            entry.event == Event::Arrived
                && entry.table == self.table
                && entry.is_logged
                && entry.is_captured()
        });
        suspects.extend(arrived.map(|entry| entry.id));
        suspects
    }
}

/// The newest state of rows in the journal and in the topics.
struct Newest<'a> {
    journal: &'a Journal,
    delivered: &'a Delivered,
    reports: &'a Reports,
    /// Topic and number of the record of an entry, by the place of the entry.
    found: BTreeMap<usize, (&'a str, usize)>,
}

impl Newest<'_> {
    /// Difference between the newest state of a row and the last record about it.
    fn difference(&self, id: i64) -> Option<String> {
        let is_about = |entry: &Entry| entry.id == id || entry.earlier_id() == id;
        let mut entries = self.journal.entries.iter().enumerate();
        let newest = entries.rfind(|(_, entry)| is_about(entry) && entry.event != Event::Reshaped);
        let (place, newest) = newest?;
        let is_owed = newest.is_captured()
            && newest.is_logged
            && !matches!(newest.event, Event::Gone | Event::Departed);
        // A table that was renamed since is read, and reported, under its new name.
        let later = self.journal.entries[place..]
            .iter()
            .filter(|entry| is_about(entry));
        let tables: BTreeSet<&str> = later.map(|entry| entry.table.as_str()).collect();
        if !is_owed || tables.iter().any(|table| self.reports.excuse(table)) {
            return None;
        }
        let records = tables.iter().flat_map(|table| {
            let records = self.delivered.get(*table).into_iter().flatten();
            records
                .enumerate()
                .map(|(number, record)| ((*table, number), record))
        });
        let records = records.filter(|(_, record)| record.id == Some(id) && record.op != Op::Tombstone);
        let last = records.max_by_key(|(_, record)| record.position);
        // Without a key, the update that moves a row to another id is one record, which has the new id.
        let is_moved = newest.id != id;
        if is_moved && !newest.has_key && self.found.contains_key(&place) {
            return None;
        }
        let is_deleted = newest.event == Event::Deleted || is_moved;
        let agrees = match last {
            None => is_deleted,
            Some((_, record)) if is_deleted => record.op == Op::Delete,
            Some((at, record)) => match record.op {
                Op::Read if record.position >= newest.end || is_within(record, newest) => true,
                Op::Delete => false,
                // The topic may have been that of the row before it arrived, as that of a partition which is detached.
                _ if newest.event == Event::Arrived => differences(&newest.row, &record.row).is_empty(),
                Op::Read => false,
                _ => self.found.get(&place) == Some(&at),
            },
        };
        (!agrees).then(|| {
            format!(
                "{} does not show the newest state of row {id}: {newest:?}; its last record is {:?}",
                newest.table,
                last.map(|(_, record)| record)
            )
        })
    }
}

/// Whether a row was read during the transaction of an entry, as it is after it.
fn is_within(record: &Record, entry: &Entry) -> bool {
    record.position > entry.begin && differences(&entry.row, &record.row).is_empty()
}

/// Whether a record is about the change of an entry, whatever its values are.
fn is_record_of(entry: &Entry, record: &Record) -> bool {
    let id = record.id.unwrap_or_default();
    let is_same = match (entry.event, record.op) {
        (Event::Inserted, Op::Create) | (Event::Updated, Op::Update) | (Event::Deleted, Op::Delete) => {
            entry.id == id
        }
        (Event::Rekeyed(from), Op::Delete) => from == id,
        (Event::Rekeyed(_), Op::Create | Op::Update) => entry.id == id,
        _ => false,
    };
    is_same && record.xid == Some(entry.xid)
}

#[cfg(test)]
mod tests;
