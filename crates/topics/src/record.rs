//! Records of topics, decoded.

use std::sync::Arc;

use serde::Serialize;
use walcast_kafka::{REPLAY_HEADER, SchemaId};
use walcast_pgoutput::Lsn;

use crate::change::Change;
use crate::value::{Row, Value};
use crate::walcast_id::WalcastId;

/// Record of a topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Name of the topic.
    pub topic: Arc<str>,
    /// Number of the partition.
    pub partition: i32,
    /// Offset in the partition.
    pub offset: i64,
    /// Timestamp of Kafka, in milliseconds since the Unix epoch: when the record was produced.
    pub timestamp: Option<i64>,
    /// Headers in their order.
    pub headers: Vec<Header>,
    /// Header `walcast.id`; `None` for a record that walcast did not write.
    pub id: Option<WalcastId>,
    /// Key; `None` for a record without one, and for a key that cannot be decoded.
    pub key: Option<Value>,
    /// Ids of the schemas, of Avro keys and values.
    pub schemas: RecordSchemas,
    /// Content of the value.
    pub content: Content,
}

/// Header of a record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Header {
    /// Name of the header.
    pub name: String,
    /// Value as text; bytes that are no UTF-8 are replaced. `None` for a header without value.
    pub value: Option<String>,
}

/// Ids of the schemas with which a record was written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RecordSchemas {
    /// Schema of the key.
    pub key: Option<SchemaId>,
    /// Schema of the value.
    pub value: Option<SchemaId>,
}

/// Content of a record's value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// Change of a row, row that was read, or truncated table.
    Change(Box<Change>),
    /// A key without value.
    Tombstone,
    /// Dead letter: a change that could not be delivered.
    DeadLetter(Row),
    /// Logical decoding message, or transaction metadata.
    Event(Row),
    /// Record that is none of these, with the reason: nothing of it is guessed.
    Foreign {
        /// Reason, as a predicate.
        reason: String,
    },
}

impl Record {
    /// The change, if the record is one.
    #[must_use]
    pub fn change(&self) -> Option<&Change> {
        match &self.content {
            Content::Change(change) => Some(change),
            Content::Tombstone | Content::DeadLetter(_) | Content::Event(_) | Content::Foreign { .. } => None,
        }
    }

    /// Position in the order of delivery: that of `walcast.id`, or of the source block of a record that Debezium wrote (the end of the
    /// transaction before it, which rises as well). `None` if the record has neither.
    #[must_use]
    pub fn lsn(&self) -> Option<Lsn> {
        match (&self.id, self.change()) {
            (Some(id), _) => Some(id.lsn()),
            (None, Some(change)) => change.source.previous_commit_end.or(change.source.lsn),
            (None, None) => None,
        }
    }

    /// Commit time of the transaction in microseconds since the Unix epoch, or the time of the snapshot; `None` if the value does
    /// not contain it.
    #[must_use]
    pub fn commit_micros(&self) -> Option<i64> {
        self.change().and_then(|change| change.source.commit_micros)
    }

    /// Value of the first header with this name.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let header = self.headers.iter().find(|header| header.name == name)?;
        header.value.as_deref()
    }

    /// Whether a replay has sent the record: it repeats a record of another place.
    #[must_use]
    pub fn is_replayed(&self) -> bool {
        self.headers.iter().any(|header| header.name == REPLAY_HEADER)
    }

    /// Place of the record: `TOPIC/PARTITION/OFFSET`.
    #[must_use]
    pub fn place(&self) -> String {
        format!("{}/{}/{}", self.topic, self.partition, self.offset)
    }
}
