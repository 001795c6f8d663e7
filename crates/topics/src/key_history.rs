//! History of a key: every change of one row, in commit order, with the keys that the row had before and after.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;

use walcast_pgoutput::Lsn;

use crate::change::Operation;
use crate::decoder::Decoder;
use crate::error::TopicsError;
use crate::key_change::{KeyChange, OtherKey};
use crate::key_partitions::Partitioning;
use crate::note::Note;
use crate::reader::Topic;
use crate::record::Content;
use crate::search::Bound;
use crate::settings::Settings;
use crate::typed_key::TypedKey;
use crate::value::Row;
use crate::walcast_id::WalcastId;

/// Position or time of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PointInTime {
    /// Position in WAL.
    Lsn(Lsn),
    /// Time in microseconds since the Unix epoch.
    Time(i64),
}

impl From<PointInTime> for Bound {
    fn from(point: PointInTime) -> Self {
        match point {
            PointInTime::Lsn(lsn) => Self::Lsn(lsn),
            PointInTime::Time(micros) => Self::Time(micros),
        }
    }
}

/// Part of the history that is read, both ends included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Window {
    /// First position or time; `None` reads from the beginning.
    pub from: Option<PointInTime>,
    /// Last position or time; `None` reads to the end.
    pub to: Option<PointInTime>,
}

/// History of a key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyHistory {
    /// Changes in commit order.
    pub changes: Vec<KeyChange>,
    /// What makes the history incomplete or uncertain.
    pub notes: Vec<Note>,
}

/// Largest number of other keys that are followed.
const KEYS_MAX: usize = 16;

/// Largest number of changes of one key in a history; the oldest are left out beyond it, so that memory is bounded.
pub const CHANGES_MAX: usize = 100_000;

/// Reader of histories in the topics of one table.
pub struct HistoryReader<'a> {
    topics: Vec<(&'a Topic, Partitioning)>,
    decoder: &'a mut Decoder,
    window: Window,
    /// Called for each record that is read.
    progress: &'a mut dyn FnMut(),
    notes: Vec<Note>,
}

/// Other key that is followed, from the change that names it.
struct Follow {
    key: OtherKey,
    event: Option<(Lsn, u64)>,
}

impl<'a> HistoryReader<'a> {
    /// Samples the topics. `partitioner`: the property of that name in the producer's configuration. `progress` is called for each record
    /// that is read.
    ///
    /// # Errors
    /// A topic or the registry cannot be read.
    pub async fn new(
        topics: &'a [Topic],
        decoder: &'a mut Decoder,
        partitioner: Option<&str>,
        window: Window,
        progress: &'a mut dyn FnMut(),
    ) -> Result<Self, TopicsError> {
        let mut sampled = Vec::new();
        for topic in topics {
            sampled.push((topic, Partitioning::of(topic, decoder, partitioner).await?));
        }
        Ok(Self {
            topics: sampled,
            decoder,
            window,
            progress,
            notes: Vec::new(),
        })
    }

    /// Reads the history of a key. Where the key of the row was updated, the history continues under its other keys.
    ///
    /// # Errors
    /// A topic or the registry cannot be read.
    pub async fn read(mut self, key: &TypedKey) -> Result<KeyHistory, TopicsError> {
        let mut changes = self.of_key(key).await?;
        let mut waiting: VecDeque<Follow> = follows(&changes).collect();
        let mut known: HashSet<(Arc<str>, i32, i64)> = changes.iter().map(place).collect();
        let mut followed = 0;
        while let Some(Follow { key, event }) = waiting.pop_front() {
            let (OtherKey::Old(text) | OtherKey::New(text)) = &key;
            let Some(typed) = TypedKey::of_header(text).filter(|_| followed < KEYS_MAX) else {
                self.note(Note::KeyNotFollowed { key: text.clone() });
                continue;
            };
            let others = self.of_key(&typed).await?;
            followed += 1;
            let life = life(&others, &key, event);
            if life.is_empty() && self.is_within_window(&key) {
                self.note(Note::KeyNotFound { key: text.clone() });
            }
            let new = life.iter().filter(|change| known.insert(place(change)));
            let new: Vec<KeyChange> = new.cloned().collect();
            waiting.extend(follows(&new));
            changes.extend(new);
        }
        changes.sort_by(KeyChange::order);
        if let Some(first) = changes.first()
            && first.operation != Operation::Create
            && self.window.from.is_none()
        {
            self.notes.push(Note::BeginsWith {
                operation: first.operation,
            });
        }
        Ok(KeyHistory {
            changes,
            notes: self.notes,
        })
    }

    /// Whether the changes of the other key are within the window: those before it are not read.
    fn is_within_window(&self, key: &OtherKey) -> bool {
        match key {
            OtherKey::Old(_) => self.window.from.is_none(),
            OtherKey::New(_) => self.window.to.is_none(),
        }
    }

    fn note(&mut self, note: Note) {
        if !self.notes.contains(&note) {
            self.notes.push(note);
        }
    }

    /// Changes of one key in commit order, each once.
    async fn of_key(&mut self, key: &TypedKey) -> Result<Vec<KeyChange>, TopicsError> {
        let mut newest = Newest::new(CHANGES_MAX);
        let mut seen: HashSet<WalcastId> = HashSet::new();
        let (mut foreign, mut again) = (0_u64, 0_u64);
        for number in 0..self.topics.len() {
            let Some((topic, partitioning)) = self.topics.get(number) else {
                break;
            };
            let topic = *topic;
            let partitions = partitioning.of_key(key);
            if let Some(reason) = partitions.all_because {
                self.note(Note::AllPartitions {
                    topic: topic.name().to_string(),
                    reason,
                });
            }
            for range in partitions.ranges {
                if range.first > 0 {
                    self.note(Note::Expired {
                        topic: topic.name().to_string(),
                        partition: range.partition,
                        first: range.first,
                    });
                }
                let from = self.window.from.map_or(Bound::Beginning, Bound::from);
                let offset = topic.offset_of(self.decoder, range, from).await?;
                // A tombstone is distinguished from a delete by the record before it.
                let from = Bound::Offset(offset.saturating_sub(1));
                let mut reader = topic.read_partition(self.decoder, range, from).await?;
                while let Some(record) = reader.next(self.decoder).await? {
                    (self.progress)();
                    // It repeats a record of another place.
                    if record.is_replayed() {
                        continue;
                    }
                    if matches!(record.content, Content::Foreign { .. }) {
                        foreign += 1;
                    }
                    let row = record.key.as_ref().and_then(|key| key.as_row());
                    if !row.is_some_and(|row| is_of(row, key, self.decoder.settings())) {
                        continue;
                    }
                    if record.id.is_some_and(|id| !seen.insert(id)) {
                        again += 1;
                        continue;
                    }
                    if let Some(change) = KeyChange::of(record) {
                        newest.add(change);
                    }
                }
            }
        }
        let Newest {
            mut changes,
            left_out,
            ..
        } = newest.sorted();
        for (count, note) in [
            (foreign, Note::Foreign { records: foreign }),
            (again, Note::DeliveredAgain { records: again }),
            (left_out, Note::LeftOut { changes: left_out }),
        ] {
            if count > 0 {
                self.note(note);
            }
        }
        changes.retain(|change| is_within(change, &self.window));
        Ok(changes)
    }
}

/// Place of a change's record.
fn place(change: &KeyChange) -> (Arc<str>, i32, i64) {
    (Arc::clone(&change.topic), change.partition, change.offset)
}

/// Whether the key of a record is the key that is read, of the table that is read.
fn is_of(row: &Row, key: &TypedKey, settings: &Settings) -> bool {
    key.is(row, settings.table_key_field()) && !settings.is_of_other_table(row)
}

/// The newest changes of one key, from its records as they are read: partition after partition.
struct Newest {
    changes: Vec<KeyChange>,
    max: usize,
    left_out: u64,
}

impl Newest {
    fn new(max: usize) -> Self {
        Self {
            changes: Vec::new(),
            max,
            left_out: 0,
        }
    }

    /// Adds a change. A tombstone that follows its delete is no change of its own; one without a delete before it is one. Only the order
    /// of the partition shows: Debezium's tombstones have no position.
    fn add(&mut self, change: KeyChange) {
        let is_followed = |last: &KeyChange| is_tombstone_of(&change, last);
        if self.changes.last().is_some_and(is_followed) {
            return;
        }
        // Seldom, because the changes of several partitions have to be sorted for it.
        if self.changes.len() >= self.max.saturating_mul(2) {
            self.leave_out();
        }
        self.changes.push(change);
    }

    /// Sorts the changes, and leaves out the oldest beyond the largest number.
    fn leave_out(&mut self) {
        self.changes.sort_by(KeyChange::order);
        let beyond = self.changes.len().saturating_sub(self.max);
        self.changes.drain(..beyond);
        self.left_out += beyond as u64;
    }

    fn sorted(mut self) -> Self {
        self.leave_out();
        self
    }
}

fn is_tombstone_of(change: &KeyChange, last: &KeyChange) -> bool {
    let is_same = last
        .event()
        .zip(change.event())
        .is_none_or(|(last, event)| last == event);
    let is_next = (&last.topic, last.partition) == (&change.topic, change.partition);
    change.is_tombstone && last.operation == Operation::Delete && is_same && is_next
}

fn is_within(change: &KeyChange, window: &Window) -> bool {
    let compare = |point: PointInTime| match point {
        PointInTime::Lsn(lsn) => change.lsn.map(|found| found.cmp(&lsn)),
        PointInTime::Time(micros) => {
            let produced = || change.produced_millis?.checked_mul(1_000);
            let time = change.commit_micros.or_else(produced);
            time.map(|found| found.cmp(&micros))
        }
    };
    let is_after = |point| compare(point).is_none_or(std::cmp::Ordering::is_ge);
    let is_before = |point| compare(point).is_none_or(std::cmp::Ordering::is_le);
    window.from.is_none_or(is_after) && window.to.is_none_or(is_before)
}

fn follows(changes: &[KeyChange]) -> impl Iterator<Item = Follow> {
    changes.iter().filter_map(|change| {
        Some(Follow {
            key: change.other_key.clone()?,
            event: change.event(),
        })
    })
}

/// The part of the changes of another key in which it was the key of the row: up to the delete, or from the create, that is the other
/// half of an update of the key.
fn life<'c>(changes: &'c [KeyChange], key: &OtherKey, event: Option<(Lsn, u64)>) -> &'c [KeyChange] {
    let is_half = |change: &KeyChange| event.is_some() && change.event() == event;
    let Some(half) = changes.iter().position(is_half) else {
        return &[];
    };
    let range = match key {
        OtherKey::Old(_) => {
            let before = changes.get(..half).unwrap_or_default();
            let deleted = before
                .iter()
                .rposition(|change| change.operation == Operation::Delete);
            deleted.map_or(0, |deleted| deleted + 1)..half + 1
        }
        OtherKey::New(_) => {
            let after = changes.get(half..).unwrap_or_default();
            let deleted = after
                .iter()
                .position(|change| change.operation == Operation::Delete);
            half..deleted.map_or(changes.len(), |deleted| half + deleted + 1)
        }
    };
    changes.get(range).unwrap_or_default()
}

#[cfg(test)]
mod tests;
