//! Judgement on the keys of both sides, range by range.
//!
//! The records of a range are folded to one row for each key, and the rows of the source are looked up. A range that would need too
//! much memory is divided first.

use std::collections::BTreeMap;
use std::io;

use crate::completeness::Completeness;
use crate::digest::{Digest, Sum};
use crate::entry::{KeyedEntry, RecordPlace, UnkeyedEntry, read_sum};
use crate::fold::Folded;
use crate::spill::Spill;
use crate::tally::{Finding, Kind, Reason, Tally};

/// Bytes of entries that are compared at once. In memory they are about three times as large.
const PART_BYTES: u64 = 4 * 1024 * 1024;

/// How often a range is divided: into 64 parts each time. A part that is still too large has many records of few keys, which need
/// no memory.
const DIVISIONS_MAX: usize = 2;

/// What the rows of both sides are judged by, and the outcome so far.
pub(crate) struct Judgement<'a> {
    pub(crate) has_key: bool,
    /// Place of the last truncation.
    pub(crate) truncated: Option<(u64, u64)>,
    /// Offset of each partition before which records count as removed.
    pub(crate) removed: &'a BTreeMap<i32, i64>,
    pub(crate) completeness: &'a Completeness,
    pub(crate) limit: usize,
    pub(crate) tally: Tally,
}

impl Judgement<'_> {
    /// Compares all files of both sides, which have the same ranges.
    pub(crate) fn compare(
        &mut self,
        source: &mut Spill,
        topic: &mut Spill,
        divisions: usize,
    ) -> io::Result<()> {
        let of_source = source.ranges().map(|(_, bytes)| bytes);
        let bytes: Vec<u64> = of_source
            .zip(topic.ranges())
            .map(|(source, (_, topic))| source + topic)
            .collect();
        for (file, bytes) in bytes.into_iter().enumerate() {
            if bytes > PART_BYTES && divisions < DIVISIONS_MAX {
                let parts = bytes.div_ceil(PART_BYTES);
                let (mut source, mut topic) = (source.divide(file, parts)?, topic.divide(file, parts)?);
                self.compare(&mut source, &mut topic, divisions + 1)?;
            } else if self.has_key {
                self.compare_keyed(source, topic, file)?;
            } else {
                self.compare_unkeyed(source, topic, file)?;
            }
        }
        Ok(())
    }

    fn is_removed(&self, place: RecordPlace) -> bool {
        let first = self.removed.get(&place.partition);
        first.is_some_and(|first| place.offset < *first)
    }

    fn compare_keyed(&mut self, source: &mut Spill, topic: &mut Spill, file: usize) -> io::Result<()> {
        let mut keys: BTreeMap<Digest, Key> = BTreeMap::new();
        topic.read(file, |key, entry| {
            let entry = KeyedEntry::read(entry)?;
            if !self.is_removed(entry.place) {
                keys.entry(key).or_default().folded.add(entry, self.truncated);
            }
            Ok(())
        })?;
        let tally = &mut self.tally;
        source.read(file, |key, entry| {
            let known = keys.entry(key).or_default();
            known.source = Some(read_sum(entry)?);
            known.source_rows += 1;
            tally.source.add(Digest::of_row(key, read_sum(entry)?), 1);
            Ok(())
        })?;
        for (digest, key) in keys {
            key.judge(digest, self.completeness, self.limit, &mut self.tally);
        }
        Ok(())
    }

    fn compare_unkeyed(&mut self, source: &mut Spill, topic: &mut Spill, file: usize) -> io::Result<()> {
        let mut rows: BTreeMap<Digest, Copies> = BTreeMap::new();
        topic.read(file, |row, entry| {
            let entry = UnkeyedEntry::read(entry)?;
            let is_truncated = self.truncated.is_some_and(|truncated| entry.order < truncated);
            if is_truncated || self.is_removed(entry.place) {
                return Ok(());
            }
            let copies = rows.entry(row).or_default();
            copies.topic += if entry.is_added { 1 } else { -1 };
            copies.record = Some(entry.place);
            Ok(())
        })?;
        source.read(file, |row, _| {
            rows.entry(row).or_default().source += 1;
            Ok(())
        })?;
        for (digest, copies) in rows {
            copies.judge(digest, self.completeness, self.limit, &mut self.tally);
        }
        Ok(())
    }
}

/// A key on both sides.
#[derive(Default)]
struct Key {
    folded: Folded,
    source: Option<Sum>,
    source_rows: u64,
}

impl Key {
    fn judge(&self, digest: Digest, completeness: &Completeness, limit: usize, tally: &mut Tally) {
        let row = self.folded.row();
        if let Some(row) = row
            && (self.source.is_some() || !completeness.is_selection)
        {
            match row.columns {
                Some(columns) => tally.topic.add(Digest::of_row(digest, columns), 1),
                None => tally.topic.rows += 1,
            }
        }
        let (mut kind, mut reason) = match (self.source, row) {
            _ if self.source_rows > 1 => (Kind::Unverifiable, Some(Reason::SharedKey)),
            (None, None) => return,
            (None, Some(_)) if completeness.is_selection => return,
            (None, Some(_)) => (Kind::Extra, None),
            (Some(_), None) => match self.why_missing(completeness) {
                Some(reason) => (Kind::Unverifiable, Some(reason)),
                None => (Kind::Missing, None),
            },
            (Some(source), Some(row)) => match row.columns {
                None => (Kind::Unverifiable, Some(Reason::Unsent)),
                Some(columns) if columns != source => (Kind::Different, None),
                Some(_) => {
                    tally.identical += 1;
                    return;
                }
            },
        };
        if kind != Kind::Unverifiable && completeness.is_read_again && self.folded.has_given_way() {
            (kind, reason) = (Kind::Unverifiable, Some(Reason::Compacted));
        }
        let finding = Finding {
            kind,
            reason,
            digest,
            copies: 1,
            record: row.map(|row| row.place),
        };
        tally.find(finding, limit);
    }

    /// Why the topic may lack the row although nothing was lost.
    fn why_missing(&self, completeness: &Completeness) -> Option<Reason> {
        if self.folded.has_records() {
            // Its last record is a delete.
            return None;
        }
        if completeness.is_expired {
            return Some(Reason::Expired);
        }
        // Compaction keeps the last record of each key.
        if completeness.is_compacted && self.folded.has_records_behind {
            return Some(Reason::Compacted);
        }
        if completeness.has_unreadable {
            return Some(Reason::Unreadable);
        }
        completeness.omits_existing_rows.then_some(Reason::NotRead)
    }
}

/// A row of a table without key, on both sides.
#[derive(Default)]
struct Copies {
    source: i64,
    topic: i64,
    record: Option<RecordPlace>,
}

impl Copies {
    fn judge(&self, digest: Digest, completeness: &Completeness, limit: usize, tally: &mut Tally) {
        let source = u64::try_from(self.source).unwrap_or_default();
        let topic = u64::try_from(self.topic).unwrap_or_default();
        tally.source.add(digest, source);
        if source == 0 && completeness.is_selection {
            return;
        }
        tally.topic.add(digest, topic);
        tally.identical += source.min(topic);
        let copies = self.source.abs_diff(self.topic);
        let (kind, reason) = match self.topic.cmp(&self.source) {
            std::cmp::Ordering::Equal => return,
            // The record that removed a copy may be gone as well: it can have been in another partition.
            _ if completeness.is_expired => (Kind::Unverifiable, Some(Reason::Expired)),
            std::cmp::Ordering::Greater => (Kind::Extra, None),
            std::cmp::Ordering::Less if completeness.has_unreadable => {
                (Kind::Unverifiable, Some(Reason::Unreadable))
            }
            std::cmp::Ordering::Less if completeness.omits_existing_rows => {
                (Kind::Unverifiable, Some(Reason::NotRead))
            }
            std::cmp::Ordering::Less => (Kind::Missing, None),
        };
        let finding = Finding {
            kind,
            reason,
            digest,
            copies,
            record: self.record,
        };
        tally.find(finding, limit);
    }
}
