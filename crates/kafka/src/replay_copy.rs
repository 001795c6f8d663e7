//! Copy of a record, as a replay sends it.

use std::sync::Arc;

use walcast_mapper::RecordView;

use crate::topic_record::TopicRecord;

/// Header of a record that a replay has sent: the name of the replay.
pub const REPLAY_HEADER: &str = "walcast.replay";

/// Bytes by which a copy may be larger than its original: one header more.
pub(crate) const HEADER_BYTES_MAX: u64 = 1024;

/// Number of a partition that the key of a record chooses.
const CHOSEN_BY_KEY: i32 = -1;

/// Bytes that a record takes beside its key, value and headers.
const RECORD_OVERHEAD_BYTES: usize = 40;

/// Bytes that a header takes beside its name and value.
const HEADER_OVERHEAD_BYTES: usize = 10;

/// Copy of a record for another place: everything of the original, and the header [`REPLAY_HEADER`] behind its headers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordCopy {
    pub(crate) record: TopicRecord,
    /// Topic of the copy.
    pub(crate) target: Arc<str>,
    bytes: usize,
}

impl RecordCopy {
    /// Creates the copy of a record for a topic, by the replay with this name.
    #[must_use]
    pub fn new(mut record: TopicRecord, target: Arc<str>, replay: &str) -> Self {
        let value = replay.as_bytes().to_vec();
        record.headers.push((REPLAY_HEADER.to_owned(), Some(value)));
        Self::of(record, target)
    }

    /// A record as it is, for a topic.
    pub(crate) fn of(record: TopicRecord, target: Arc<str>) -> Self {
        let headers = record
            .headers
            .iter()
            .map(|(name, value)| name.len() + value.as_ref().map_or(0, Vec::len) + HEADER_OVERHEAD_BYTES);
        let key = record.key.as_ref().map_or(0, Vec::len);
        let body = key + record.value.as_ref().map_or(0, Vec::len);
        Self {
            bytes: headers.sum::<usize>() + body + RECORD_OVERHEAD_BYTES,
            record,
            target,
        }
    }

    /// Creates the copy of a record that was encoded again, for a topic, by the replay with this name. Its timestamp is that of the sending,
    /// unless the record has one.
    #[must_use]
    pub fn encoded(record: &RecordView<'_>, target: Arc<str>, replay: &str) -> Self {
        let headers = record.headers();
        let record = TopicRecord {
            partition: record.partition.unwrap_or(CHOSEN_BY_KEY),
            offset: 0,
            timestamp: record.timestamp,
            key: record.key.map(ToOwned::to_owned),
            value: record.value.map(ToOwned::to_owned),
            headers: headers
                .map(|header| (header.name.to_owned(), header.value.map(ToOwned::to_owned)))
                .collect(),
        };
        Self::new(record, target, replay)
    }

    /// Size of the copy in a request.
    #[must_use]
    pub const fn bytes(&self) -> usize {
        self.bytes
    }
}

/// Whether a replay has sent a record.
#[must_use]
pub fn is_replayed(record: &TopicRecord) -> bool {
    record.headers.iter().any(|(name, _)| name == REPLAY_HEADER)
}
