//! Record of a topic, as a consumer gets it.

use rdkafka::Message;
use rdkafka::message::{BorrowedMessage, Headers};

/// Record of a topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicRecord {
    /// Partition of the record.
    pub partition: i32,
    /// Offset of the record.
    pub offset: i64,
    /// Timestamp in milliseconds since the Unix epoch, if the record has one.
    pub timestamp: Option<i64>,
    /// Key.
    pub key: Option<Vec<u8>>,
    /// Value; `None` for a tombstone.
    pub value: Option<Vec<u8>>,
    /// Headers in their order.
    pub headers: Vec<(String, Option<Vec<u8>>)>,
}

/// Memory of a record or of one of its headers beside the bytes that they hold: the values themselves, and what the allocator adds for
/// each vector.
const OWN_BYTES: usize = 160;

impl TopicRecord {
    /// About how much memory the record needs. Most records are small, so that its bytes alone would be a fraction of that.
    pub(crate) fn held_bytes(&self) -> usize {
        let length = |bytes: &Option<Vec<u8>>| bytes.as_ref().map_or(0, Vec::len);
        let headers = self.headers.iter();
        let headers = headers.map(|(name, value)| OWN_BYTES + name.len() + length(value));
        OWN_BYTES + length(&self.key) + length(&self.value) + headers.sum::<usize>()
    }
}

/// Record of librdkafka with everything that it holds.
pub(crate) fn topic_record(record: &BorrowedMessage<'_>) -> TopicRecord {
    let headers = record.headers().into_iter().flat_map(|headers| headers.iter());
    TopicRecord {
        partition: record.partition(),
        offset: record.offset(),
        timestamp: record.timestamp().to_millis(),
        key: record.key().map(ToOwned::to_owned),
        value: record.payload().map(ToOwned::to_owned),
        headers: headers
            .map(|header| (header.key.to_owned(), header.value.map(ToOwned::to_owned)))
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::TopicRecord;

    #[test]
    fn small_records_count_with_the_memory_around_their_bytes() {
        let mut record = TopicRecord {
            partition: 0,
            offset: 7,
            timestamp: None,
            key: Some(vec![0; 6]),
            value: None,
            headers: Vec::new(),
        };
        assert_eq!(record.held_bytes(), 166);
        record.value = Some(vec![0; 1_000]);
        record.headers = vec![
            ("walcast.id".to_owned(), Some(vec![0; 11])),
            ("x".to_owned(), None),
        ];
        assert_eq!(record.held_bytes(), 166 + 1_000 + 181 + 161);
    }
}
