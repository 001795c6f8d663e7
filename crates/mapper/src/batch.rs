//! Kafka records in one reused buffer.

use std::ops::Range;
use std::sync::Arc;

/// Records ready to be produced: their bytes lie in one buffer that is cleared and used again, never freed per record.
#[derive(Debug, Default)]
pub struct Batch {
    bytes: Vec<u8>,
    records: Vec<Record>,
    headers: Vec<(HeaderName, Range<usize>)>,
}

#[derive(Debug)]
struct Record {
    topic: Arc<str>,
    key: Option<Range<usize>>,
    value: Option<Range<usize>>,
    headers: Range<usize>,
}

/// One record of a [`Batch`].
#[derive(Clone, Copy, Debug)]
pub struct RecordView<'a> {
    /// The topic.
    pub topic: &'a str,
    /// The key's bytes, registry prefix included; `None` for a table without key.
    pub key: Option<&'a [u8]>,
    /// The value's bytes, registry prefix included; `None` for a tombstone.
    pub value: Option<&'a [u8]>,
    batch: &'a Batch,
    record: &'a Record,
}

/// One header of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its value.
    pub value: &'a [u8],
}

/// The name of a header: one of ours, or one that the configuration gives.
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

/// A state of a [`Batch`] to go back to.
#[derive(Clone, Copy, Debug)]
pub struct Mark {
    bytes: usize,
    records: usize,
    headers: usize,
}

impl Batch {
    /// An empty batch.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Bytes of keys, values and headers held.
    #[must_use]
    pub fn len_bytes(&self) -> usize {
        self.bytes.len()
    }

    /// Records held.
    #[must_use]
    pub fn record_count(&self) -> usize {
        self.records.len()
    }

    /// Whether no record is held.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// Forgets the records and keeps the memory, unless one huge record made it larger than `keep_bytes_max`.
    pub fn clear(&mut self, keep_bytes_max: usize) {
        self.bytes.clear();
        self.bytes.shrink_to(keep_bytes_max);
        self.records.clear();
        self.headers.clear();
    }

    /// The records in the order they were written.
    pub fn records(&self) -> impl ExactSizeIterator<Item = RecordView<'_>> {
        self.records.iter().map(|record| RecordView {
            topic: &record.topic,
            key: self.slice(record.key.as_ref()),
            value: self.slice(record.value.as_ref()),
            batch: self,
            record,
        })
    }

    /// Those that were written since `mark`.
    pub(crate) fn records_since(&self, mark: Mark) -> impl Iterator<Item = RecordView<'_>> {
        self.records().skip(mark.records)
    }

    /// Bytes that were written since `mark`.
    pub(crate) fn bytes_since(&self, mark: Mark) -> usize {
        self.bytes.len().saturating_sub(mark.bytes)
    }

    /// The current state, to go back to when a change turns out not to be mappable halfway.
    #[must_use]
    pub fn mark(&self) -> Mark {
        Mark {
            bytes: self.bytes.len(),
            records: self.records.len(),
            headers: self.headers.len(),
        }
    }

    /// Forgets everything written since `mark`.
    pub fn rewind(&mut self, mark: Mark) {
        self.bytes.truncate(mark.bytes);
        self.records.truncate(mark.records);
        self.headers.truncate(mark.headers);
    }

    /// Moves everything written since `mark` to the end of `other`.
    pub fn split_off(&mut self, mark: Mark, other: &mut Batch) {
        let (bytes_moved, headers_moved) = (other.bytes.len(), other.headers.len());
        let bytes =
            |span: Range<usize>| span.start - mark.bytes + bytes_moved..span.end - mark.bytes + bytes_moved;
        let headers = |span: Range<usize>| {
            span.start - mark.headers + headers_moved..span.end - mark.headers + headers_moved
        };
        other
            .bytes
            .extend_from_slice(self.bytes.get(mark.bytes..).unwrap_or_default());
        other.headers.extend(
            self.headers
                .drain(mark.headers..)
                .map(|(name, span)| (name, bytes(span))),
        );
        other
            .records
            .extend(self.records.drain(mark.records..).map(|record| Record {
                topic: record.topic,
                key: record.key.map(bytes),
                value: record.value.map(bytes),
                headers: headers(record.headers),
            }));
        self.bytes.truncate(mark.bytes);
    }

    /// Adds a record made of parts that are at hand, for callers outside the hot path.
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
            self.push_header(Arc::from(header.name), |out| out.extend_from_slice(header.value));
        }
        self.finish(topic, key, value);
    }

    /// Appends what `write` writes, and tells where it lies. When it fails, what it wrote stays until a rewind.
    #[inline]
    pub(crate) fn part<E>(
        &mut self,
        write: impl FnOnce(&mut Vec<u8>) -> Result<(), E>,
    ) -> Result<Range<usize>, E> {
        let start = self.bytes.len();
        write(&mut self.bytes)?;
        Ok(start..self.bytes.len())
    }

    /// Adds a header of the record that [`Batch::finish`] will end.
    #[inline]
    pub(crate) fn push_header(&mut self, name: impl Into<HeaderName>, write: impl FnOnce(&mut Vec<u8>)) {
        let start = self.bytes.len();
        write(&mut self.bytes);
        self.headers.push((name.into(), start..self.bytes.len()));
    }

    /// Adds a header whose value [`Batch::part`] has written.
    pub(crate) fn push_written_header(&mut self, name: impl Into<HeaderName>, value: Range<usize>) {
        self.headers.push((name.into(), value));
    }

    /// Ends a record: its headers are those that no record has yet.
    #[inline]
    pub(crate) fn finish(
        &mut self,
        topic: &Arc<str>,
        key: Option<Range<usize>>,
        value: Option<Range<usize>>,
    ) {
        let first_header = self.records.last().map_or(0, |record| record.headers.end);
        let headers = first_header..self.headers.len();
        self.records.push(Record {
            topic: Arc::clone(topic),
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
        let batch = self.batch;
        let headers = batch.headers.get(self.record.headers.clone()).unwrap_or_default();
        headers.iter().map(|(name, span)| Header {
            name: name.as_str(),
            value: batch.bytes.get(span.clone()).unwrap_or_default(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{Batch, Header};

    fn fill(batch: &mut Batch, names: &[&str]) {
        for name in names {
            let header = Header {
                name: "id",
                value: name.as_bytes(),
            };
            batch.push(&"t".into(), Some(name.as_bytes()), None, [header]);
        }
    }

    fn keys(batch: &Batch) -> Vec<(Vec<u8>, Vec<u8>)> {
        let records = batch.records();
        records
            .map(|record| {
                (
                    record.key.unwrap().to_vec(),
                    record.headers().next().unwrap().value.to_vec(),
                )
            })
            .collect()
    }

    #[test]
    fn what_was_written_since_a_mark_moves_whole() {
        let (mut batch, mut other) = (Batch::new(), Batch::new());
        fill(&mut batch, &["a", "bb"]);
        let mark = batch.mark();
        fill(&mut batch, &["ccc", "d"]);
        fill(&mut other, &["eeee"]);
        batch.split_off(mark, &mut other);
        let both = |text: &str| (text.as_bytes().to_vec(), text.as_bytes().to_vec());
        assert_eq!(keys(&batch), ["a", "bb"].map(both));
        assert_eq!(keys(&other), ["eeee", "ccc", "d"].map(both));
        assert_eq!((batch.len_bytes(), other.len_bytes()), (6, 16));
    }
}
