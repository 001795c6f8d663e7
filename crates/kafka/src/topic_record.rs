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
