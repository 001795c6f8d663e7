//! Reads topics as a consumer that trusts nothing but committed transactions.

mod client;
mod follow;
mod groups;
mod questions;
mod removal;

use std::collections::HashMap;
use std::time::{Duration, Instant};

use rdkafka::Timestamp;
use rdkafka::consumer::Consumer;
use rdkafka::error::KafkaError;
use rdkafka::message::{BorrowedMessage, Headers, Message};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use crate::change_id::{CHANGE_ID_HEADER, ChangeId};
use crate::error::{Error, Result};
use client::{block, bounds, consumer, partitions_of, passing};
pub use follow::TopicFollower;
pub use groups::commit_offset;
pub use questions::{has_open_transaction, records_written, topic_names};
pub use removal::remove_records;

/// How long a broker may stay silent while a topic is read to its end.
const SILENCE_LIMIT: Duration = Duration::from_secs(60);
/// How long one wait for a message lasts before the silence is checked.
const WAIT: Duration = Duration::from_millis(200);

/// A record as it lies in Kafka.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RawRecord {
    /// Its topic.
    pub topic: String,
    /// Its partition.
    pub partition: i32,
    /// Its offset in the partition.
    pub offset: i64,
    /// Milliseconds since 1970, if the record has a time.
    pub timestamp_ms: Option<i64>,
    /// Key bytes.
    pub key: Option<Vec<u8>>,
    /// Value bytes; `None` is a tombstone.
    pub value: Option<Vec<u8>>,
    /// Headers in their order.
    pub headers: Vec<(String, Option<Vec<u8>>)>,
}

impl RawRecord {
    /// The first header of that name that has a value.
    pub fn header(&self, name: &str) -> Option<&[u8]> {
        let found = self.headers.iter().find(|(known, _)| known == name);
        found.and_then(|(_, value)| value.as_deref())
    }

    /// The change that the record belongs to, if it carries a readable identity.
    pub fn change_id(&self) -> Option<ChangeId> {
        std::str::from_utf8(self.header(CHANGE_ID_HEADER)?)
            .ok()?
            .parse()
            .ok()
    }
}

/// Reads topics from their beginning, read_committed, and remembers how far it got.
#[derive(Clone, Debug)]
pub struct TopicReader {
    brokers: String,
    topics: Vec<String>,
    /// Next offset of each partition.
    positions: HashMap<(String, i32), i64>,
}

impl TopicReader {
    /// A reader at the beginning of the topics. They need not exist yet.
    pub fn new(brokers: &str, topics: impl IntoIterator<Item = String>) -> TopicReader {
        TopicReader {
            brokers: brokers.to_owned(),
            topics: topics.into_iter().collect(),
            positions: HashMap::new(),
        }
    }

    /// Reads what has come since the last call, up to the end that each partition has now, topic after topic: it ends also while
    /// a producer writes without a pause. What lies behind the first open transaction of a partition is not there yet for this
    /// reader. A topic that does not exist is empty.
    ///
    /// # Errors
    /// When the broker cannot be asked, or is silent for a minute.
    pub async fn read_new(&mut self) -> Result<Vec<RawRecord>> {
        let mut records = Vec::new();
        self.scan_new(|record| records.push(record)).await?;
        Ok(records)
    }

    /// Like [`read_new`](TopicReader::read_new), one record at a time: for topics too large to keep.
    ///
    /// # Errors
    /// When the broker cannot be asked, or is silent for a minute.
    pub async fn scan_new(&mut self, mut each: impl FnMut(RawRecord) + Send) -> Result<()> {
        // Blocking calls of the client library; this thread belongs to the caller's runtime, so it says so.
        tokio::task::yield_now().await;
        block(|| {
            for topic in self.topics.clone() {
                self.scan_topic(&topic, &mut each)?;
            }
            Ok(())
        })
    }

    fn scan_topic(&mut self, topic: &str, each: &mut impl FnMut(RawRecord)) -> Result<()> {
        let failed = |source| Error::Kafka {
            action: format!("read topic {topic}"),
            source,
        };
        let consumer = consumer(&self.brokers).map_err(failed)?;
        let partitions = partitions_of(&consumer, topic).map_err(failed)?;
        let mut assignment = TopicPartitionList::new();
        // With read_committed, the end is that of what is committed.
        let mut unfinished: HashMap<i32, i64> = HashMap::new();
        for partition in partitions {
            let (_, end) = bounds(&consumer, topic, partition).map_err(failed)?;
            unfinished.insert(partition, end);
            let position = self.positions.get(&(topic.to_owned(), partition));
            let from = position.map_or(Offset::Beginning, |offset| Offset::Offset(*offset));
            assignment
                .add_partition_offset(topic, partition, from)
                .map_err(failed)?;
        }
        consumer.assign(&assignment).map_err(failed)?;

        let mut heard = Instant::now();
        while !unfinished.is_empty() {
            match consumer.poll(WAIT) {
                None if heard.elapsed() > SILENCE_LIMIT => return Err(silent(topic)),
                None => continue,
                Some(Ok(message)) => {
                    let (partition, next) = (message.partition(), message.offset() + 1);
                    // Of a partition that is finished already, it is read next time.
                    let Some(end) = unfinished.get(&partition) else {
                        continue;
                    };
                    if next >= *end {
                        unfinished.remove(&partition);
                    }
                    self.positions.insert((topic.to_owned(), partition), next);
                    each(raw(&message));
                }
                Some(Err(KafkaError::PartitionEOF(partition))) => {
                    unfinished.remove(&partition);
                }
                Some(Err(error)) if passing(&error) => continue,
                Some(Err(error)) => return Err(failed(error)),
            }
            heard = Instant::now();
        }
        Ok(())
    }
}

/// Reads one topic from beginning to end, read_committed, partition by partition. A topic that does not exist is empty.
///
/// # Errors
/// When the broker cannot be asked, or is silent for a minute.
pub async fn read_topic(brokers: &str, topic: &str) -> Result<Vec<RawRecord>> {
    let mut records = TopicReader::new(brokers, [topic.to_owned()]).read_new().await?;
    // Each read gets the partitions in another order.
    records.sort_by_key(|record| (record.partition, record.offset));
    Ok(records)
}

fn silent(topic: &str) -> Error {
    Error::TimedOut {
        what: format!("reading of topic {topic} to its end"),
        seconds: SILENCE_LIMIT.as_secs(),
        log: String::new(),
    }
}

fn raw(message: &BorrowedMessage<'_>) -> RawRecord {
    let headers = message.headers().map(|headers| {
        headers
            .iter()
            .map(|header| (header.key.to_owned(), header.value.map(<[u8]>::to_vec)))
            .collect()
    });
    RawRecord {
        topic: message.topic().to_owned(),
        partition: message.partition(),
        offset: message.offset(),
        timestamp_ms: match message.timestamp() {
            Timestamp::NotAvailable => None,
            Timestamp::CreateTime(ms) | Timestamp::LogAppendTime(ms) => Some(ms),
        },
        key: message.key().map(<[u8]>::to_vec),
        value: message.payload().map(<[u8]>::to_vec),
        headers: headers.unwrap_or_default(),
    }
}
