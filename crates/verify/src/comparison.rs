//! Comparison of a table with its topic.
//!
//! Both sides become digests in temporary files, by ranges of keys. Then the ranges are compared one after the other
//! ([`crate::judgement`]).

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use walcast_pgoutput::Lsn;

use crate::columns::ComparedColumns;
use crate::completeness::Completeness;
use crate::digest::Digest;
use crate::entry::{KeyedEntry, RecordPlace, State, UnkeyedEntry};
use crate::judgement::Judgement;
use crate::place::Place;
use crate::spill::Spill;
use crate::tally::Tally;
use crate::value::Value;

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
    /// Offset of each partition before which retention has removed records since they were read.
    removed: BTreeMap<i32, i64>,
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
            removed: BTreeMap::new(),
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

    /// Notes that a record was there when the topic was read again, after the comparison. `keys` are the only ones that matter; `None`: all
    /// of them.
    ///
    /// # Errors
    /// The temporary file cannot be written.
    pub fn add_again(
        &mut self,
        key: &Value,
        place: RecordPlace,
        keys: Option<&BTreeSet<Digest>>,
    ) -> io::Result<()> {
        let digest = Digest::of_key(key);
        if self.is_left_out(digest) || keys.is_some_and(|keys| !keys.contains(&digest)) {
            return Ok(());
        }
        let entry = KeyedEntry {
            place,
            order: (0, 0),
            state: State::Again,
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

    /// Notes that retention has removed the records of a partition before this offset while the topic was read. They count as if they
    /// had never been read: records between them may have been removed before they were.
    pub fn removed_before(&mut self, partition: i32, first: i64) {
        self.removed.insert(partition, first);
    }

    /// Compares both sides; more records can be added afterwards, and both compared again. At most `limit` findings of each kind are kept.
    ///
    /// # Errors
    /// A temporary file cannot be read.
    pub fn compare(&mut self, completeness: &Completeness, limit: usize) -> io::Result<Tally> {
        let mut judgement = Judgement {
            has_key: self.has_key,
            truncated: self.truncated,
            removed: &self.removed,
            completeness,
            limit,
            tally: Tally::default(),
        };
        judgement.compare(&mut self.source, &mut self.topic, 0)?;
        Ok(judgement.tally)
    }
}
