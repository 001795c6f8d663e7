//! Kafka records in one buffer.

use std::ops::Range;
use std::sync::Arc;

/// Records ready to be produced. Their bytes lie in one buffer that is cleared and reused, never freed per record.
#[derive(Debug, Default)]
pub struct RecordBuffer {
    bytes: Vec<u8>,
    records: Vec<Record>,
    headers: Vec<(HeaderName, Option<Range<usize>>)>,
}

#[derive(Debug)]
struct Record {
    topic: Arc<str>,
    partition: Option<i32>,
    timestamp: Option<i64>,
    key: Option<Range<usize>>,
    value: Option<Range<usize>>,
    headers: Range<usize>,
}

/// One record of a [`RecordBuffer`].
#[derive(Clone, Copy, Debug)]
pub struct RecordView<'a> {
    /// The topic.
    pub topic: &'a str,
    /// Number of the partition; `None`: the key chooses it.
    pub partition: Option<i32>,
    /// Timestamp in milliseconds since 1970; `None`: the time at which the record is produced.
    pub timestamp: Option<i64>,
    /// The key's bytes, registry prefix included; `None` for a table without key.
    pub key: Option<&'a [u8]>,
    /// The value's bytes, registry prefix included; `None` for a tombstone.
    pub value: Option<&'a [u8]>,
    buffer: &'a RecordBuffer,
    record: &'a Record,
}

/// One header of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header<'a> {
    /// Name of the header.
    pub name: &'a str,
    /// Value of the header; `None`: the header has no value, as Connect's header converters send null.
    pub value: Option<&'a [u8]>,
}

/// Name of a header: one of ours, or one from the configuration.
#[derive(Clone, Debug)]
pub(crate) enum HeaderName {
    Static(&'static str),
    Shared(Arc<str>),
}

impl HeaderName {
    fn as_str(&self) -> &str {
        match self {
            HeaderName::Static(name) => name,
            HeaderName::Shared(name) => name,
        }
    }
}

impl From<&'static str> for HeaderName {
    fn from(name: &'static str) -> Self {
        HeaderName::Static(name)
    }
}

impl From<Arc<str>> for HeaderName {
    fn from(name: Arc<str>) -> Self {
        HeaderName::Shared(name)
    }
}

/// State of a [`RecordBuffer`] that [`RecordBuffer::rewind`] restores. The default is that of an empty buffer.
#[derive(Clone, Copy, Debug, Default)]
pub struct Savepoint {
    bytes: usize,
    records: usize,
    headers: usize,
}

impl RecordBuffer {
    /// Creates an empty buffer.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Bytes of all keys, values and headers in the buffer.
    #[must_use]
    pub fn len_bytes(&self) -> usize {
        self.bytes.len()
    }

    /// Number of records in the buffer.
    #[must_use]
    pub fn record_count(&self) -> usize {
        self.records.len()
    }

    /// Whether the buffer holds no record.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// Removes the records and keeps the memory, but no more than `keep_bytes_max` of it: one huge record must not
    /// occupy memory for ever.
    pub fn clear(&mut self, keep_bytes_max: usize) {
        self.bytes.clear();
        self.bytes.shrink_to(keep_bytes_max);
        self.records.clear();
        self.headers.clear();
    }

    /// The records in the order they were written.
    pub fn records(&self) -> impl ExactSizeIterator<Item = RecordView<'_>> {
        self.records.iter().map(|record| self.view(record))
    }

    fn view<'a>(&'a self, record: &'a Record) -> RecordView<'a> {
        RecordView {
            topic: &record.topic,
            partition: record.partition,
            timestamp: record.timestamp,
            key: self.slice(record.key.as_ref()),
            value: self.slice(record.value.as_ref()),
            buffer: self,
            record,
        }
    }

    /// The records that were written since `savepoint`.
    pub fn records_since(&self, savepoint: Savepoint) -> impl Iterator<Item = RecordView<'_>> {
        let since = self.records.get(savepoint.records..).unwrap_or_default();
        since.iter().map(|record| self.view(record))
    }

    /// Bytes that were written since `savepoint`.
    pub(crate) fn bytes_since(&self, savepoint: Savepoint) -> usize {
        self.bytes.len().saturating_sub(savepoint.bytes)
    }

    /// Current state of the buffer, restored by [`RecordBuffer::rewind`] when a change cannot be mapped.
    #[must_use]
    pub fn savepoint(&self) -> Savepoint {
        Savepoint {
            bytes: self.bytes.len(),
            records: self.records.len(),
            headers: self.headers.len(),
        }
    }

    /// Removes everything that was written since `savepoint`.
    pub fn rewind(&mut self, savepoint: Savepoint) {
        self.bytes.truncate(savepoint.bytes);
        self.records.truncate(savepoint.records);
        self.headers.truncate(savepoint.headers);
    }

    /// Moves everything written since `savepoint` to the end of `other`.
    pub fn split_off(&mut self, savepoint: Savepoint, other: &mut RecordBuffer) {
        let (bytes_moved, headers_moved) = (other.bytes.len(), other.headers.len());
        let bytes = |span: Range<usize>| {
            span.start - savepoint.bytes + bytes_moved..span.end - savepoint.bytes + bytes_moved
        };
        let headers = |span: Range<usize>| {
            span.start - savepoint.headers + headers_moved..span.end - savepoint.headers + headers_moved
        };
        other
            .bytes
            .extend_from_slice(self.bytes.get(savepoint.bytes..).unwrap_or_default());
        other.headers.extend(
            self.headers
                .drain(savepoint.headers..)
                .map(|(name, span)| (name, span.map(bytes))),
        );
        other
            .records
            .extend(self.records.drain(savepoint.records..).map(|record| Record {
                topic: record.topic,
                partition: record.partition,
                timestamp: record.timestamp,
                key: record.key.map(bytes),
                value: record.value.map(bytes),
                headers: headers(record.headers),
            }));
        self.bytes.truncate(savepoint.bytes);
    }

    /// Adds a record from its parts, for callers outside the hot path.
    pub fn push<'h>(
        &mut self,
        topic: &Arc<str>,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        headers: impl IntoIterator<Item = Header<'h>>,
    ) {
        let key = key.map(|bytes| self.append(bytes));
        let value = value.map(|bytes| self.append(bytes));
        for header in headers {
            let value = header.value.map(|value| self.append(value));
            self.headers.push((Arc::<str>::from(header.name).into(), value));
        }
        self.finish(Arc::clone(topic), None, key, value);
    }

    /// Appends the bytes that `write` writes and returns their range. When `write` fails, its bytes stay until a
    /// rewind.
    #[inline]
    pub(crate) fn part<E>(
        &mut self,
        write: impl FnOnce(&mut Vec<u8>) -> Result<(), E>,
    ) -> Result<Range<usize>, E> {
        let start = self.bytes.len();
        write(&mut self.bytes)?;
        Ok(start..self.bytes.len())
    }

    /// Adds a header to the record that the next [`RecordBuffer::finish`] completes.
    #[inline]
    pub(crate) fn push_header(&mut self, name: impl Into<HeaderName>, write: impl FnOnce(&mut Vec<u8>)) {
        let start = self.bytes.len();
        write(&mut self.bytes);
        self.headers.push((name.into(), Some(start..self.bytes.len())));
    }

    /// Adds a header without a value.
    pub(crate) fn push_null_header(&mut self, name: impl Into<HeaderName>) {
        self.headers.push((name.into(), None));
    }

    /// Adds a header whose value [`RecordBuffer::part`] has written.
    pub(crate) fn push_written_header(&mut self, name: impl Into<HeaderName>, value: Range<usize>) {
        self.headers.push((name.into(), Some(value)));
    }

    /// Completes a record. Its headers are those added since the record before.
    #[inline]
    pub(crate) fn finish(
        &mut self,
        topic: Arc<str>,
        partition: Option<i32>,
        key: Option<Range<usize>>,
        value: Option<Range<usize>>,
    ) {
        self.finish_at(topic, partition, None, key, value);
    }

    /// Completes a record with a timestamp, in milliseconds since 1970.
    #[inline]
    pub(crate) fn finish_at(
        &mut self,
        topic: Arc<str>,
        partition: Option<i32>,
        timestamp: Option<i64>,
        key: Option<Range<usize>>,
        value: Option<Range<usize>>,
    ) {
        let first_header = self.records.last().map_or(0, |record| record.headers.end);
        let headers = first_header..self.headers.len();
        self.records.push(Record {
            topic,
            partition,
            timestamp,
            key,
            value,
            headers,
        });
    }

    fn append(&mut self, bytes: &[u8]) -> Range<usize> {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(bytes);
        start..self.bytes.len()
    }

    fn slice(&self, span: Option<&Range<usize>>) -> Option<&[u8]> {
        span.and_then(|span| self.bytes.get(span.clone()))
    }
}

impl<'a> RecordView<'a> {
    /// The record's headers, in order.
    pub fn headers(&self) -> impl Iterator<Item = Header<'a>> + use<'a> {
        let buffer = self.buffer;
        let headers = buffer
            .headers
            .get(self.record.headers.clone())
            .unwrap_or_default();
        headers.iter().map(|(name, span)| Header {
            name: name.as_str(),
            value: buffer.slice(span.as_ref()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{Header, RecordBuffer};

    fn fill(buffer: &mut RecordBuffer, names: &[&str]) {
        for name in names {
            let header = Header {
                name: "id",
                value: Some(name.as_bytes()),
            };
            buffer.push(&"t".into(), Some(name.as_bytes()), None, [header]);
        }
    }

    fn keys(buffer: &RecordBuffer) -> Vec<(Vec<u8>, Vec<u8>)> {
        let records = buffer.records();
        records
            .map(|record| {
                (
                    record.key.unwrap().to_vec(),
                    record.headers().next().unwrap().value.unwrap().to_vec(),
                )
            })
            .collect()
    }

    #[test]
    fn records_since_a_savepoint_move_as_a_whole() {
        let (mut buffer, mut other) = (RecordBuffer::new(), RecordBuffer::new());
        fill(&mut buffer, &["a", "bb"]);
        let savepoint = buffer.savepoint();
        fill(&mut buffer, &["ccc", "d"]);
        fill(&mut other, &["eeee"]);
        buffer.split_off(savepoint, &mut other);
        let both = |text: &str| (text.as_bytes().to_vec(), text.as_bytes().to_vec());
        assert_eq!(keys(&buffer), ["a", "bb"].map(both));
        assert_eq!(keys(&other), ["eeee", "ccc", "d"].map(both));
        assert_eq!((buffer.len_bytes(), other.len_bytes()), (6, 16));
    }
}
