//! Folds of streams: the last state of each stream, and which of them are to be written.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use walcast_mapper::merge_patch;

use super::config::{StreamFold, StreamSnapshotConfig};
use super::error::{FoldProblem, StreamSnapshotError};
use super::value::Values;
use crate::replay_copy::{RecordCopy, is_replayed};
use crate::topic_record::TopicRecord;

/// Header of an event, and of a snapshot: the version of the last event.
const VERSION: &str = "version";
/// Header of a record: its identity, with the position of the change.
const ID: &str = "walcast.id";
/// Header of a snapshot: version of the first event that it includes.
const FIRST: &str = "walcast.snapshot.first";
/// Header of a snapshot: number of its events.
const EVENTS: &str = "walcast.snapshot.events";
/// Header of a snapshot: number of events before which versions were missing.
const GAPS: &str = "walcast.snapshot.gaps";
/// Header of a snapshot: offset of the last event, in the same partition.
const OFFSET: &str = "walcast.snapshot.offset";
/// Header of a snapshot: offset of the first event of the partition that no snapshot includes when this one is written.
const NEXT: &str = "walcast.snapshot.next";

/// Memory that a stream takes beside its key and its state.
const STREAM_BYTES: usize = 256;

/// Bytes of events and states after which other tasks of the thread run. Folding a large state takes milliseconds, and the threads are
/// those of the delivery.
const BYTES_PER_TURN: usize = 256 * 1024;

/// Last state of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Stream {
    /// Value of the snapshot.
    value: Vec<u8>,
    version: i64,
    first: i64,
    events: u64,
    gaps: u64,
    partition: i32,
    offset: i64,
    id: Option<Vec<u8>>,
}

/// Streams of a topic.
pub(super) struct Streams<'a> {
    config: &'a StreamSnapshotConfig,
    values: Values,
    held: HashMap<Vec<u8>, Stream>,
    /// Memory that the streams take.
    bytes: usize,
    /// Streams whose snapshots are to be written, with their partitions. One that is not held gets a tombstone.
    changed: BTreeMap<Vec<u8>, i32>,
    /// Bytes of events and states that were folded since other tasks could run.
    turn: usize,
}

impl<'a> Streams<'a> {
    pub(super) fn new(config: &'a StreamSnapshotConfig, values: Values) -> Self {
        Self {
            config,
            values,
            held: HashMap::new(),
            bytes: 0,
            changed: BTreeMap::new(),
            turn: 0,
        }
    }

    /// Number of streams with a snapshot.
    pub(super) fn count(&self) -> u64 {
        u64::try_from(self.held.len()).unwrap_or(u64::MAX)
    }

    /// Adds a record of the topic of snapshots.
    pub(super) fn load(&mut self, record: TopicRecord) -> Result<(), StreamSnapshotError> {
        let Some(stream) = Stream::of_snapshot(&record) else {
            if let (Some(key), None) = (&record.key, &record.value) {
                self.remove(key);
                return Ok(());
            }
            return Err(StreamSnapshotError::Topic {
                snapshots: self.config.snapshots.clone(),
                problem: format!(
                    "has a record that is no snapshot, in partition {} at offset {}",
                    record.partition, record.offset
                ),
            });
        };
        self.hold(record.key.unwrap_or_default(), stream)
    }

    /// Folds a record of the topic of events.
    pub(super) async fn fold(&mut self, record: TopicRecord) -> Result<(), StreamSnapshotError> {
        if self.config.fold == StreamFold::MergePatch
            && let Some(value) = &record.value
        {
            self.values.look_up(value).await?;
            self.turn += value.len();
            // The state has the schema of the event before it.
            if let Some(stream) = record.key.as_ref().and_then(|key| self.held.get(key)) {
                self.values.look_up(&stream.value).await?;
                self.turn += stream.value.len();
            }
        }
        if self.turn >= BYTES_PER_TURN {
            self.turn = 0;
            tokio::task::yield_now().await;
        }
        let (partition, offset) = (record.partition, record.offset);
        match self.folded(&record) {
            Ok(Folded::Passed) => Ok(()),
            Ok(Folded::Ended) => {
                let key = record.key.unwrap_or_default();
                if self.remove(&key) {
                    self.changed.insert(key, partition);
                }
                Ok(())
            }
            Ok(Folded::Changed(stream)) => {
                let key = record.key.unwrap_or_default();
                self.changed.insert(key.clone(), partition);
                self.hold(key, stream)
            }
            Err(problem) => Err(StreamSnapshotError::Event {
                topic: self.config.topic.clone(),
                partition,
                offset,
                problem,
            }),
        }
    }

    fn folded(&self, record: &TopicRecord) -> Result<Folded, FoldProblem> {
        if is_replayed(record) {
            return Ok(Folded::Passed);
        }
        let key = record.key.as_ref().ok_or(FoldProblem::NoKey)?;
        let Some(event) = &record.value else {
            return Ok(Folded::Ended);
        };
        let version = number(record, VERSION).ok_or(FoldProblem::NoVersion)?;
        let before = self.held.get(key);
        if before.is_some_and(|before| version <= before.version) {
            return Ok(Folded::Passed);
        }
        let value = match self.config.fold {
            StreamFold::LastValue => event.clone(),
            StreamFold::MergePatch => {
                let (form, patch) = self.values.open(event)?;
                let target = match before {
                    Some(before) => Some(self.values.open(&before.value)?.1),
                    None => None,
                };
                form.close(&merge_patch::apply(target.as_deref(), &patch)?)?
            }
        };
        let is_gap = before.is_some_and(|before| before.version.checked_add(1) != Some(version));
        Ok(Folded::Changed(Stream {
            value,
            version,
            first: before.map_or(version, |before| before.first),
            events: before.map_or(0, |before| before.events) + 1,
            gaps: before.map_or(0, |before| before.gaps) + u64::from(is_gap),
            partition: record.partition,
            offset: record.offset,
            id: header(record, ID).map(<[u8]>::to_vec),
        }))
    }

    /// Snapshots of the streams that have changed, when the events before these offsets are folded.
    pub(super) fn take_changed(&mut self, next: &BTreeMap<i32, i64>, target: &Arc<str>) -> Vec<RecordCopy> {
        let changed = std::mem::take(&mut self.changed);
        let records = changed.into_iter().map(|(key, partition)| {
            let next = next.get(&partition).copied().unwrap_or_default();
            let record = match self.held.get(&key) {
                Some(stream) => stream.snapshot(key, next),
                None => TopicRecord {
                    partition,
                    offset: 0,
                    timestamp: None,
                    key: Some(key),
                    value: None,
                    headers: vec![text(NEXT, next)],
                },
            };
            RecordCopy::of(record, Arc::clone(target))
        });
        records.collect()
    }

    fn hold(&mut self, key: Vec<u8>, stream: Stream) -> Result<(), StreamSnapshotError> {
        // A key that has moved to another partition has an older snapshot in the former one. In one partition the later one counts: the
        // stream may have begun again.
        let is_older = |held: &Stream| held.partition != stream.partition && held.version > stream.version;
        if self.held.get(&key).is_some_and(is_older) {
            return Ok(());
        }
        self.remove(&key);
        self.bytes += stream.bytes(&key);
        self.held.insert(key, stream);
        if self.bytes > self.config.memory {
            return Err(StreamSnapshotError::Memory {
                topic: self.config.topic.clone(),
                limit: self.config.memory,
            });
        }
        Ok(())
    }

    fn remove(&mut self, key: &[u8]) -> bool {
        let removed = self.held.remove(key);
        let freed = removed.as_ref().map_or(0, |stream| stream.bytes(key));
        self.bytes = self.bytes.saturating_sub(freed);
        removed.is_some()
    }
}

/// What becomes of a stream by a record.
enum Folded {
    /// The record is no new event.
    Passed,
    /// A record without a value ends the stream: its snapshot is removed.
    Ended,
    Changed(Stream),
}

impl Stream {
    /// State of a snapshot; `None` for another record.
    fn of_snapshot(record: &TopicRecord) -> Option<Self> {
        record.key.as_ref()?;
        Some(Self {
            value: record.value.clone()?,
            version: number(record, VERSION)?,
            first: number(record, FIRST)?,
            events: number(record, EVENTS)?,
            gaps: number(record, GAPS)?,
            partition: record.partition,
            offset: number(record, OFFSET)?,
            id: header(record, ID).map(<[u8]>::to_vec),
        })
    }

    fn snapshot(&self, key: Vec<u8>, next: i64) -> TopicRecord {
        let mut headers = vec![
            text(VERSION, self.version),
            text(FIRST, self.first),
            text(EVENTS, self.events),
            text(GAPS, self.gaps),
            text(OFFSET, self.offset),
            text(NEXT, next),
        ];
        headers.extend(self.id.clone().map(|id| (ID.to_owned(), Some(id))));
        TopicRecord {
            partition: self.partition,
            offset: 0,
            timestamp: None,
            key: Some(key),
            value: Some(self.value.clone()),
            headers,
        }
    }

    fn bytes(&self, key: &[u8]) -> usize {
        let id = self.id.as_ref().map_or(0, Vec::len);
        key.len() + self.value.len() + id + STREAM_BYTES
    }
}

fn text(name: &str, number: impl ToString) -> (String, Option<Vec<u8>>) {
    (name.to_owned(), Some(number.to_string().into_bytes()))
}

fn header<'r>(record: &'r TopicRecord, name: &str) -> Option<&'r [u8]> {
    let found = record.headers.iter().find(|(known, _)| known == name);
    found.and_then(|(_, value)| value.as_deref())
}

fn number<N: std::str::FromStr>(record: &TopicRecord, name: &str) -> Option<N> {
    std::str::from_utf8(header(record, name)?).ok()?.parse().ok()
}

#[cfg(test)]
mod tests;
