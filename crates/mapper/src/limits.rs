//! How large a record may be.

use crate::batch::Mark;
use crate::{Batch, RecordView};

/// What Kafka takes of one record. What lies between what is surely refused and what is surely taken is Kafka's to say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordLimits {
    /// A record with more bytes of key and value is refused by the producer.
    pub key_and_value: usize,
    /// A record with more bytes of key, value and headers is refused by the broker.
    pub whole: usize,
    /// A record with no more bytes, names of headers and all, is taken.
    pub taken: usize,
}

/// How much too large a record is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Excess {
    pub(crate) bytes: usize,
    pub(crate) limit: usize,
}

impl RecordLimits {
    /// The first record since `mark` that is refused.
    #[inline]
    pub(crate) fn exceeded(&self, batch: &Batch, mark: Mark) -> Option<Excess> {
        // All together are hardly ever as large as one may be.
        if batch.bytes_since(mark) <= self.key_and_value.min(self.whole) {
            return None;
        }
        batch.records_since(mark).find_map(|record| self.excess(&record))
    }

    #[cold]
    fn excess(&self, record: &RecordView<'_>) -> Option<Excess> {
        let body = record.key.map_or(0, <[u8]>::len) + record.value.map_or(0, <[u8]>::len);
        let whole = body + record.headers().map(|header| header.value.len()).sum::<usize>();
        let over = |bytes, limit| (bytes > limit).then_some(Excess { bytes, limit });
        over(body, self.key_and_value).or_else(|| over(whole, self.whole))
    }
}
