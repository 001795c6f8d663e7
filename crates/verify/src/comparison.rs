//! Comparison of a table with its topic.
//!
//! Both sides become digests in temporary files, by ranges of keys. Then the ranges are compared one after the other: the records of
//! a range are folded to one row for each key, and the rows of the source are looked up. A range that would need too much memory is
//! compared in parts.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use walcast_pgoutput::Lsn;

use crate::columns::ComparedColumns;
use crate::digest::{Digest, Sum};
use crate::entry::{KeyedEntry, RecordPlace, State, UnkeyedEntry, read_sum};
use crate::fold::Folded;
use crate::key_range::KeyRange;
use crate::place::Place;
use crate::spill::Spill;
use crate::tally::{Finding, Kind, Reason, Tally};
use crate::value::Value;

/// Bytes of entries that are compared at once. In memory they are about three times as large.
const PART_BYTES: u64 = 6 * 1024 * 1024;

/// What is known of the completeness of a topic.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Completeness {
    /// Whether the topic no longer has its first records.
    pub is_expired: bool,
    /// Whether the topic is compacted.
    pub is_compacted: bool,
    /// Whether existing rows of the table are not read, or only some of them.
    pub omits_existing_rows: bool,
    /// Whether only some rows of the source were read: a row of the topic that is not among them is ignored.
    pub is_selection: bool,
    /// Whether records of the topic could not be read.
    pub has_unreadable: bool,
}

/// Row that a record leaves behind.
#[derive(Clone, Debug, PartialEq)]
pub enum After<'a> {
    /// This one.
    Row(&'a Value),
    /// None: the row was deleted.
    Nothing,
}

/// A table, or several tables of one topic, and the topic.
#[derive(Debug)]
pub struct Comparison {
    limit: Lsn,
    has_key: bool,
    source: Spill,
    topic: Spill,
    /// Place of the last truncation.
    truncated: Option<(u64, u64)>,
    /// Keys that alone are compared; `None`: all of them.
    only: Option<BTreeSet<Digest>>,
}

impl Comparison {
    /// Comparison at a position: that of the snapshot in which the source is read.
    #[must_use]
    pub fn new(limit: Lsn, has_key: bool) -> Self {
        Self {
            limit,
            has_key,
            source: Spill::new(),
            topic: Spill::new(),
            truncated: None,
            only: None,
        }
    }

    /// Compares only these keys, or these rows of a table without key.
    #[must_use]
    pub fn only(mut self, keys: BTreeSet<Digest>) -> Self {
        self.only = Some(keys);
        self
    }

    /// Position at which both sides are compared.
    #[must_use]
    pub fn limit(&self) -> Lsn {
        self.limit
    }

    /// Whether the rows have a key.
    #[must_use]
    pub fn has_key(&self) -> bool {
        self.has_key
    }

    /// Whether neither side has a row or a record.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries() == 0
    }

    /// Number of entries that are stored.
    #[must_use]
    pub fn entries(&self) -> u64 {
        self.source.count() + self.topic.count()
    }

    /// Digest by which a row of the source is compared.
    #[must_use]
    pub fn digest_of(&self, key: Option<&Value>, row: &Value, columns: &ComparedColumns) -> Digest {
        match key {
            Some(key) if self.has_key => Digest::of_key(key),
            _ => Digest::of_row_without_key(columns.of_source(row).columns),
        }
    }

    /// Adds a row of the source.
    ///
    /// # Errors
    /// The temporary file cannot be written.
    pub fn add_source(
        &mut self,
        key: Option<&Value>,
        row: &Value,
        columns: &ComparedColumns,
    ) -> io::Result<()> {
        let digest = self.digest_of(key, row, columns);
        if self.is_left_out(digest) {
            return Ok(());
        }
        let sum = columns.of_source(row).columns;
        self.source.push(digest, |out| {
            if self.has_key {
                out.extend_from_slice(&sum.to_bytes());
            }
        })
    }

    fn is_left_out(&self, digest: Digest) -> bool {
        self.only.as_ref().is_some_and(|only| !only.contains(&digest))
    }

    /// Adds a record of a table with a key.
    ///
    /// # Errors
    /// The temporary file cannot be written.
    pub fn add_record(
        &mut self,
        key: &Value,
        after: &After<'_>,
        columns: &ComparedColumns,
        place: RecordPlace,
        position: &Place,
    ) -> io::Result<()> {
        let digest = Digest::of_key(key);
        if self.is_left_out(digest) {
            return Ok(());
        }
        let state = match after {
            _ if !position.is_in_snapshot(self.limit) => State::Behind,
            After::Row(row) => State::Row(columns.of_record(row)),
            After::Nothing => State::Deleted,
        };
        let entry = KeyedEntry {
            place,
            order: position.order(),
            state,
        };
        self.topic.push(digest, |out| entry.write(out))
    }

    /// Adds a row that a record of a table without key adds, or removes.
    ///
    /// # Errors
    /// The temporary file cannot be written.
    pub fn add_record_without_key(
        &mut self,
        row: &Value,
        is_added: bool,
        columns: &ComparedColumns,
        place: RecordPlace,
        position: &Place,
    ) -> io::Result<()> {
        if !position.is_in_snapshot(self.limit) {
            return Ok(());
        }
        let digest = Digest::of_row_without_key(columns.of_record(row).columns);
        if self.is_left_out(digest) {
            return Ok(());
        }
        let entry = UnkeyedEntry {
            place,
            order: position.order(),
            is_added,
        };
        self.topic.push(digest, |out| entry.write(out))
    }

    /// Notes a truncation.
    pub fn truncate(&mut self, position: &Place) {
        if position.is_in_snapshot(self.limit) {
            self.truncated = self.truncated.max(Some(position.order()));
        }
    }

    /// Compares both sides. At most `limit` findings of each kind are kept.
    ///
    /// # Errors
    /// A temporary file cannot be read.
    pub fn compare(&mut self, completeness: &Completeness, limit: usize) -> io::Result<Tally> {
        let mut tally = Tally::default();
        let ranges: Vec<(KeyRange, u64)> = self
            .source
            .ranges()
            .zip(self.topic.ranges())
            .map(|((range, source), (_, topic))| (range, source + topic))
            .collect();
        for (file, (range, bytes)) in ranges.into_iter().enumerate() {
            for part in range.split(bytes.div_ceil(PART_BYTES)) {
                if self.has_key {
                    self.compare_keyed(file, part, completeness, limit, &mut tally)?;
                } else {
                    self.compare_unkeyed(file, part, completeness, limit, &mut tally)?;
                }
            }
        }
        Ok(tally)
    }

    fn compare_keyed(
        &mut self,
        file: usize,
        range: KeyRange,
        completeness: &Completeness,
        limit: usize,
        tally: &mut Tally,
    ) -> io::Result<()> {
        let mut keys: BTreeMap<Digest, Key> = BTreeMap::new();
        self.topic.read(file, range, |key, entry| {
            keys.entry(key).or_default().folded.add(KeyedEntry::read(entry)?);
            Ok(())
        })?;
        self.source.read(file, range, |key, entry| {
            let known = keys.entry(key).or_default();
            known.source = Some(read_sum(entry)?);
            known.source_rows += 1;
            tally.source.add(Digest::of_row(key, read_sum(entry)?), 1);
            Ok(())
        })?;
        for (digest, key) in keys {
            key.judge(digest, self.truncated, completeness, limit, tally);
        }
        Ok(())
    }

    fn compare_unkeyed(
        &mut self,
        file: usize,
        range: KeyRange,
        completeness: &Completeness,
        limit: usize,
        tally: &mut Tally,
    ) -> io::Result<()> {
        let mut rows: BTreeMap<Digest, Copies> = BTreeMap::new();
        let truncated = self.truncated;
        self.topic.read(file, range, |row, entry| {
            let entry = UnkeyedEntry::read(entry)?;
            if truncated.is_some_and(|truncated| entry.order < truncated) {
                return Ok(());
            }
            let copies = rows.entry(row).or_default();
            copies.topic += if entry.is_added { 1 } else { -1 };
            copies.record = Some(entry.place);
            Ok(())
        })?;
        self.source.read(file, range, |row, _| {
            rows.entry(row).or_default().source += 1;
            Ok(())
        })?;
        for (digest, copies) in rows {
            copies.judge(digest, completeness, limit, tally);
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
    fn judge(
        &self,
        digest: Digest,
        truncated: Option<(u64, u64)>,
        completeness: &Completeness,
        limit: usize,
        tally: &mut Tally,
    ) {
        let row = self.folded.row(truncated);
        if let Some(row) = row
            && (self.source.is_some() || !completeness.is_selection)
        {
            match row.columns {
                Some(columns) => tally.topic.add(Digest::of_row(digest, columns), 1),
                None => tally.topic.rows += 1,
            }
        }
        let mut find = |kind, reason| {
            let finding = Finding {
                kind,
                reason,
                digest,
                copies: 1,
                record: row.map(|row| row.place),
            };
            tally.find(finding, limit);
        };
        match (self.source, row) {
            _ if self.source_rows > 1 => find(Kind::Unverifiable, Some(Reason::SharedKey)),
            (None, None) => {}
            (None, Some(_)) if completeness.is_selection => {}
            (None, Some(_)) => find(Kind::Extra, None),
            (Some(_), None) => match self.why_missing(completeness) {
                Some(reason) => find(Kind::Unverifiable, Some(reason)),
                None => find(Kind::Missing, None),
            },
            (Some(source), Some(row)) => match row.columns {
                None => find(Kind::Unverifiable, Some(Reason::Unsent)),
                Some(columns) if columns != source => find(Kind::Different, None),
                Some(_) => tally.identical += 1,
            },
        }
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
            std::cmp::Ordering::Greater => (Kind::Extra, None),
            std::cmp::Ordering::Less if completeness.is_expired => {
                (Kind::Unverifiable, Some(Reason::Expired))
            }
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
