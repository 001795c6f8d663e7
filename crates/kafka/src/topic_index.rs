//! Random access to the committed records of a topic: the offsets of its partitions, offsets by time, and single records.
//!
//! One blocking task with one consumer answers all requests, so that a binary search over offsets connects once. The task ends when
//! the index is dropped.

use std::ops::{ControlFlow, Range};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use tokio::sync::{mpsc, oneshot};

use crate::clients::Isolation;
use crate::config::KafkaConfig;
use crate::error::KafkaError;
use crate::producer_session::IsCancelled;
use crate::replay_copy::is_replayed;
use crate::topic_consumer::{Purpose, ReadFrom, TopicConsumer};
use crate::topic_record::{TopicRecord, topic_record};

/// Number of requests that may wait; the callers wait for their answers, so there is one for each of them.
const REQUESTS_WAITING: usize = 4;

/// Offsets of a partition at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PartitionRange {
    /// Number of the partition.
    pub partition: i32,
    /// Offset of the first record that retention has left.
    pub first: i64,
    /// Offset after the last record that a `read_committed` consumer sees.
    pub end: i64,
}

/// Random access to a topic, for `read_committed` consumers. Reading fails when retention removes a record meanwhile.
#[derive(Clone, Debug)]
pub struct TopicIndex {
    requests: mpsc::Sender<Request>,
}

#[derive(Debug)]
enum Request {
    Partitions(Answer<Vec<PartitionRange>>),
    Times(i64, Answer<Vec<(i32, Option<i64>)>>),
    Record(i32, i64, Answer<Option<TopicRecord>>),
    Original(i32, Range<i64>, Answer<Option<TopicRecord>>),
}

type Answer<T> = oneshot::Sender<Result<T, KafkaError>>;

impl TopicIndex {
    /// Creates the index of a topic; the first request connects. `doing` describes the operation, for errors.
    #[must_use]
    pub fn new(config: KafkaConfig, topic: String, doing: &'static str) -> Self {
        let (requests, waiting) = mpsc::channel(REQUESTS_WAITING);
        tokio::task::spawn_blocking(move || serve(&Arc::new(config), &topic, doing, waiting));
        Self { requests }
    }

    /// Offsets of every partition, in the order of their numbers.
    ///
    /// # Errors
    /// No broker answers, access is denied, or the topic does not exist.
    pub async fn partitions(&self) -> Result<Vec<PartitionRange>, KafkaError> {
        self.ask(Request::Partitions).await
    }

    /// Offset of the first record of each partition with at least this timestamp, in milliseconds since the Unix epoch; `None`
    /// where no record has one. The broker answers from its time index.
    ///
    /// # Errors
    /// As [`TopicIndex::partitions`].
    pub async fn offsets_at(&self, timestamp: i64) -> Result<Vec<(i32, Option<i64>)>, KafkaError> {
        self.ask(|answer| Request::Times(timestamp, answer)).await
    }

    /// First committed record of a partition at `offset` or behind it; `None` at the end. `offset` is not before
    /// [`PartitionRange::first`] and not behind [`PartitionRange::end`].
    ///
    /// # Errors
    /// As [`TopicIndex::partitions`]; the offset is out of range.
    pub async fn record_at(&self, partition: i32, offset: i64) -> Result<Option<TopicRecord>, KafkaError> {
        self.ask(|answer| Request::Record(partition, offset, answer))
            .await
    }

    /// First committed record in a range of offsets that no replay has sent; `None` if there is none. Records of replays are passed over
    /// in one read, however many follow each other. The beginning is as for [`TopicIndex::record_at`].
    ///
    /// # Errors
    /// As [`TopicIndex::record_at`].
    pub async fn original_in(
        &self,
        partition: i32,
        offsets: Range<i64>,
    ) -> Result<Option<TopicRecord>, KafkaError> {
        self.ask(|answer| Request::Original(partition, offsets, answer))
            .await
    }

    async fn ask<T>(&self, request: impl FnOnce(Answer<T>) -> Request) -> Result<T, KafkaError> {
        let (answer, answered) = oneshot::channel();
        let sent = self.requests.send(request(answer)).await;
        sent.map_err(|_ended| KafkaError::Stopped)?;
        answered.await.map_err(|_ended| KafkaError::Stopped)?
    }
}

impl Request {
    /// Answers a request with an error. An answer that is not awaited any more is dropped.
    fn fail(self, error: KafkaError) {
        match self {
            Self::Partitions(answer) => drop(answer.send(Err(error))),
            Self::Times(_, answer) => drop(answer.send(Err(error))),
            Self::Record(_, _, answer) => drop(answer.send(Err(error))),
            Self::Original(_, _, answer) => drop(answer.send(Err(error))),
        }
    }

    fn answer(self, consumer: &TopicConsumer<'_>) {
        match self {
            Self::Partitions(answer) => drop(answer.send(ranges(consumer))),
            Self::Times(timestamp, answer) => {
                let found = consumer
                    .partitions()
                    .and_then(|partitions| consumer.offsets_at(&partitions, timestamp));
                drop(answer.send(found));
            }
            Self::Record(partition, offset, answer) => {
                let found = first(consumer, partition, offset, &|| answer.is_closed());
                drop(answer.send(found));
            }
            Self::Original(partition, offsets, answer) => {
                let found = original(consumer, partition, &offsets, &|| answer.is_closed());
                drop(answer.send(found));
            }
        }
    }
}

fn serve(config: &Arc<KafkaConfig>, topic: &str, doing: &'static str, mut requests: mpsc::Receiver<Request>) {
    let purpose = Purpose { doing, topic };
    let authenticated_before = Arc::<AtomicBool>::default();
    let mut connected = None;
    while let Some(request) = requests.blocking_recv() {
        let consumer = match connected.take() {
            Some(consumer) => Ok(consumer),
            None => TopicConsumer::new(config, Isolation::Committed, purpose, &authenticated_before),
        };
        match consumer {
            Ok(consumer) => request.answer(connected.insert(consumer)),
            Err(error) => request.fail(error),
        }
    }
}

fn ranges(consumer: &TopicConsumer<'_>) -> Result<Vec<PartitionRange>, KafkaError> {
    let mut partitions = consumer.partitions()?;
    partitions.sort_unstable();
    let ranges = partitions.into_iter().map(|partition| {
        let (first, end) = consumer.range(partition)?;
        Ok(PartitionRange {
            partition,
            first,
            end,
        })
    });
    ranges.collect()
}

fn first(
    consumer: &TopicConsumer<'_>,
    partition: i32,
    offset: i64,
    is_cancelled: IsCancelled<'_>,
) -> Result<Option<TopicRecord>, KafkaError> {
    let mut found = None;
    consumer.for_each(&[partition], ReadFrom::Offset(offset), is_cancelled, |record| {
        found = Some(topic_record(record));
        ControlFlow::Break(())
    })?;
    Ok(found)
}

fn original(
    consumer: &TopicConsumer<'_>,
    partition: i32,
    offsets: &Range<i64>,
    is_cancelled: IsCancelled<'_>,
) -> Result<Option<TopicRecord>, KafkaError> {
    let mut found = None;
    let start = ReadFrom::Offset(offsets.start);
    consumer.for_each(&[partition], start, is_cancelled, |record| {
        let record = topic_record(record);
        if record.offset >= offsets.end || is_cancelled() {
            return ControlFlow::Break(());
        }
        if is_replayed(&record) {
            return ControlFlow::Continue(());
        }
        found = Some(record);
        ControlFlow::Break(())
    })?;
    Ok(found)
}
