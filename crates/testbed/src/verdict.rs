//! Compares what the source says it committed with what a consumer read.
//!
//! For each table and key the sequence of changes must be the same: none lost, none twice, none in another order. A change of the
//! primary key counts as Debezium sends it, as a delete of the old key and a create of the new one. Records of a snapshot (`r`)
//! are passed over, since the journal begins after the initial rows.

mod sequence;

use std::collections::{HashMap, HashSet};
use std::fmt;

use crate::cell::Cells;
use crate::change_id::ChangeId;
use crate::journal::{JournalEntry, Operation, Row};
use crate::record::{Payload, Record};
use sequence::{Difference, Expected, Found};

/// How many examples of each kind of finding are kept.
const EXAMPLES_MAX: usize = 5;

/// Findings of one kind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Findings {
    /// How many there are.
    pub count: usize,
    /// The first few, in words.
    pub examples: Vec<String>,
}

impl Findings {
    fn add(&mut self, example: impl FnOnce() -> String) {
        self.count += 1;
        if self.examples.len() < EXAMPLES_MAX {
            self.examples.push(example());
        }
    }
}

/// The result of a comparison.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// Changes in the journal; a change of the primary key counts as two.
    pub expected: usize,
    /// Changes in the topics, repeats included, tombstones and snapshot records not.
    pub found: usize,
    /// Keys that changed, over all tables.
    pub keys: usize,
    /// Committed at the source, not in Kafka.
    pub lost: Findings,
    /// The same change more than once.
    pub doubled: Findings,
    /// In Kafka, never committed at the source, or with other values.
    pub extra: Findings,
    /// In another order than the source committed.
    pub reordered: Findings,
    /// Records without a readable change identity.
    pub unidentified: Findings,
    /// Deletes that no tombstone follows.
    pub without_tombstone: Findings,
}

impl Verdict {
    /// Whether every change was found once and in order.
    pub fn is_clean(&self) -> bool {
        self.kinds().iter().all(|(_, findings)| findings.count == 0)
    }

    fn kinds(&self) -> [(&'static str, &Findings); 6] {
        [
            ("lost", &self.lost),
            ("doubled", &self.doubled),
            ("extra", &self.extra),
            ("reordered", &self.reordered),
            ("unidentified", &self.unidentified),
            ("without tombstone", &self.without_tombstone),
        ]
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Verdict {
            expected,
            found,
            keys,
            ..
        } = self;
        write!(
            formatter,
            "{expected} changes of {keys} keys at the source, {found} in Kafka"
        )?;
        for (kind, findings) in self.kinds() {
            write!(formatter, ", {} {kind}", findings.count)?;
        }
        for (kind, findings) in self.kinds() {
            for example in &findings.examples {
                write!(formatter, "\n  {kind}: {example}")?;
            }
        }
        Ok(())
    }
}

/// A table and the text of a key in it.
type TableKey = (String, String);

/// Compares the journal with all records of the topics `<topic_prefix>.<schema>.<table>`, those of a partition in their order.
pub fn compare(journal: &[JournalEntry], records: &[Record], topic_prefix: &str) -> Verdict {
    let mut verdict = Verdict::default();
    let expected = expected_by_key(journal, &mut verdict);
    let records = first_sent(records, &mut verdict);
    let found = found_by_key(&records, topic_prefix, &mut verdict);
    check_tombstones(&records, &mut verdict);

    let mut keys: Vec<&TableKey> = expected.keys().chain(found.keys()).collect();
    keys.sort();
    keys.dedup();
    verdict.keys = keys.len();
    for key in keys {
        let (left, right) = (expected.get(key), found.get(key));
        let (table, key) = key;
        for difference in
            sequence::differences(left.map_or(&[], Vec::as_slice), right.map_or(&[], Vec::as_slice))
        {
            match difference {
                Difference::Lost(change) => verdict.lost.add(|| format!("{table} {key} {change}")),
                Difference::Extra(change) => verdict.extra.add(|| format!("{table} {key} {change}")),
                // Rows without a key have no order among themselves: the journal's is not that of commits.
                Difference::Reordered(_) if key.is_empty() => {}
                Difference::Reordered(change) => verdict.reordered.add(|| format!("{table} {key} {change}")),
            }
        }
    }
    verdict
}

fn expected_by_key<'a>(
    journal: &'a [JournalEntry],
    verdict: &mut Verdict,
) -> HashMap<TableKey, Vec<Expected<'a>>> {
    let mut by_key: HashMap<TableKey, Vec<Expected<'a>>> = HashMap::new();
    let mut add = |entry: &'a JournalEntry, key: &Row, operation, row| {
        verdict.expected += 1;
        let change = Expected {
            seq: entry.seq,
            operation,
            row,
        };
        by_key
            .entry((entry.table.clone(), text_of_row(key)))
            .or_default()
            .push(change);
    };
    for entry in journal {
        match &entry.old_key {
            Some(old_key) => {
                add(entry, old_key, Operation::Delete, None);
                add(entry, &entry.key, Operation::Create, entry.new.as_ref());
            }
            None => add(entry, &entry.key, entry.operation, entry.new.as_ref()),
        }
    }
    by_key
}

/// Each record once, in the order of its first sending; snapshot records left out.
fn first_sent<'a>(records: &'a [Record], verdict: &mut Verdict) -> Vec<(ChangeId, &'a Record)> {
    let mut seen: HashSet<(&str, ChangeId)> = HashSet::new();
    let mut unique = Vec::with_capacity(records.len());
    for record in records {
        match &record.payload {
            Payload::Change(change) if change.op == "r" => continue,
            Payload::Change(_) => verdict.found += 1,
            Payload::Tombstone => {}
        }
        match record.id {
            None => verdict.unidentified.add(|| place(record)),
            Some(id) if !seen.insert((&record.topic, id)) => {
                verdict.doubled.add(|| format!("{id} at {}", place(record)));
            }
            Some(id) => unique.push((id, record)),
        }
    }
    unique
}

fn found_by_key<'a>(
    records: &[(ChangeId, &'a Record)],
    prefix: &str,
    verdict: &mut Verdict,
) -> HashMap<TableKey, Vec<Found<'a>>> {
    let mut by_key: HashMap<TableKey, Vec<Found<'a>>> = HashMap::new();
    let mut last: HashMap<(&str, i32), ChangeId> = HashMap::new();
    for (id, record) in records {
        let before = last.entry((&record.topic, record.partition)).or_insert(*id);
        if *before > *id {
            verdict
                .reordered
                .add(|| format!("{id} at {} after {before}", place(record)));
        }
        *before = (*id).max(*before);
        let Payload::Change(change) = &record.payload else {
            continue;
        };
        let Some(operation) = operation_of(&change.op) else {
            verdict
                .extra
                .add(|| format!("op {} at {}", change.op, place(record)));
            continue;
        };
        let table = record
            .topic
            .strip_prefix(prefix)
            .and_then(|rest| rest.strip_prefix('.'));
        let key = record.key.as_ref().map(text_of_cells).unwrap_or_default();
        let found = Found {
            id: *id,
            operation,
            row: change.after.as_ref(),
        };
        by_key
            .entry((table.unwrap_or(&record.topic).to_owned(), key))
            .or_default()
            .push(found);
    }
    by_key
}

/// After a delete the next record of its key must be a tombstone.
fn check_tombstones(records: &[(ChangeId, &Record)], verdict: &mut Verdict) {
    let mut awaited: HashMap<(&str, String), &Record> = HashMap::new();
    for (_, record) in records {
        let Some(key) = &record.key else { continue };
        let key = (record.topic.as_str(), text_of_cells(key));
        let is_tombstone = record.payload == Payload::Tombstone;
        if let Some(delete) = awaited.remove(&key)
            && !is_tombstone
        {
            verdict.without_tombstone.add(|| place(delete));
        }
        if matches!(&record.payload, Payload::Change(change) if change.op == "d") {
            awaited.insert(key, record);
        }
    }
    awaited
        .values()
        .for_each(|delete| verdict.without_tombstone.add(|| place(delete)));
}

fn operation_of(op: &str) -> Option<Operation> {
    match op {
        "c" => Some(Operation::Create),
        "u" => Some(Operation::Update),
        "d" => Some(Operation::Delete),
        _ => None,
    }
}

fn place(record: &Record) -> String {
    format!("{}[{}]@{}", record.topic, record.partition, record.offset)
}

fn text_of_row(row: &Row) -> String {
    text_of(row.iter().map(|(name, value)| (name, value.clone())))
}

fn text_of_cells(cells: &Cells) -> String {
    text_of(cells.iter().map(|(name, cell)| (name, cell.to_text())))
}

fn text_of<'a>(columns: impl Iterator<Item = (&'a String, Option<String>)>) -> String {
    let texts: Vec<String> = columns
        .map(|(name, value)| format!("{name}={}", value.as_deref().unwrap_or("null")))
        .collect();
    texts.join(",")
}

#[cfg(test)]
mod tests;
