//! Limits of the size of records.

use crate::record_buffer::Savepoint;
use crate::record_buffer::{RecordBuffer, RecordView};

/// Kafka's limits of the size of one record. A size between a limit and [`RecordLimits::taken`] is decided by Kafka.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordLimits {
    /// Limit of the producer for key and value.
    pub key_and_value: usize,
    /// Limit of the broker for key, value and headers.
    pub whole: usize,
    /// Size with the names of headers up to which a record is always accepted.
    pub taken: usize,
}

/// Far above the size of the names of the headers of a change's records.
const NAMES_BYTES_MAX: usize = 4 << 10;

/// Size of a record that exceeds a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Excess {
    pub(crate) bytes: usize,
    pub(crate) limit: usize,
}

impl RecordLimits {
    /// The first record since `savepoint` that exceeds a limit; with `surely`, that is not accepted for certain.
    #[inline]
    pub(crate) fn exceeded(
        &self,
        buffer: &RecordBuffer,
        savepoint: Savepoint,
        surely: bool,
    ) -> Option<Excess> {
        // All records together rarely reach the limit of one.
        let least = self.key_and_value.min(self.whole);
        let bytes = buffer.bytes_since(savepoint);
        if bytes <= least && (!surely || bytes + NAMES_BYTES_MAX <= self.taken) {
            return None;
        }
        buffer
            .records_since(savepoint)
            .find_map(|record| self.excess(&record, surely))
    }

    #[cold]
    fn excess(&self, record: &RecordView<'_>, surely: bool) -> Option<Excess> {
        let body = record.key.map_or(0, <[u8]>::len) + record.value.map_or(0, <[u8]>::len);
        let whole = body
            + record
                .headers()
                .filter_map(|header| header.value)
                .map(<[u8]>::len)
                .sum::<usize>();
        let over = |bytes, limit| (bytes > limit).then_some(Excess { bytes, limit });
        let names = || record.headers().map(|header| header.name.len()).sum::<usize>();
        over(body, self.key_and_value)
            .or_else(|| over(whole, self.whole))
            .or_else(|| surely.then(|| over(whole + names(), self.taken)).flatten())
    }
}
