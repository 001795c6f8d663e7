//! Blocking consumer of one topic, which reads partitions up to their present end.
//!
//! A consumer of committed records sees nothing behind the first open transaction of any producer. A checkpoint that was
//! committed behind another connector's open transaction would be missed, and its changes delivered twice: so a caller that
//! needs every record first waits until the end offset of an uncommitted consumer is visible to the committed one.

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::thread;
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError as ClientError;
use rdkafka::message::BorrowedMessage;
use rdkafka::types::RDKafkaErrorCode;
use rdkafka::{Message, Offset, TopicPartitionList};

use crate::clients::{self, Isolation};
use crate::cluster_metadata::only_topic;
use crate::config::KafkaConfig;
use crate::end_offset::end_offset;
use crate::error::KafkaError;
use crate::error_class::{ErrorClass, skips_records};
use crate::events::Events;
use crate::explain::{Attempt, Explain};
use crate::producer_session::IsCancelled;

/// Time limit of one request to a broker.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);

/// How long no record may arrive while a partition has not been read to its end.
const STALL_LIMIT: Duration = Duration::from_secs(60);

/// How long open transactions of other producers are awaited. A commit takes milliseconds.
const OPEN_TRANSACTION_LIMIT: Duration = Duration::from_secs(10);

/// Interval at which these transactions are checked.
const OPEN_TRANSACTION_POLL: Duration = Duration::from_millis(20);

/// How long one poll waits for events that explain a failure.
const EXPLANATION_TIME: Duration = Duration::from_millis(10);

/// How long such events are awaited altogether.
const EXPLANATION_LIMIT: Duration = Duration::from_millis(500);

/// Longest wait for one record, after which cancellation is checked.
const POLL: Duration = Duration::from_millis(200);

/// Position at which reading a partition begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadFrom {
    /// The first record that is left.
    Beginning,
    /// The record with this offset, or the next one that compaction has left. Reading fails when retention has deleted it.
    Offset(i64),
    /// The first record with at least this timestamp, in milliseconds since the Unix epoch.
    Timestamp(i64),
}

/// Topic and purpose of reading it.
#[derive(Clone, Copy)]
pub(crate) struct Purpose<'a> {
    /// Description of the operation, for errors.
    pub(crate) doing: &'static str,
    pub(crate) topic: &'a str,
}

/// Blocking consumer of one topic.
pub(crate) struct TopicConsumer<'a> {
    consumer: BaseConsumer<Events>,
    explain: Explain,
    purpose: Purpose<'a>,
}

impl<'a> TopicConsumer<'a> {
    /// Consumer of the topic that `purpose` names.
    pub(crate) fn new(
        config: &Arc<KafkaConfig>,
        isolation: Isolation,
        purpose: Purpose<'a>,
        authenticated_before: &Arc<AtomicBool>,
    ) -> Result<Self, KafkaError> {
        let events = Events::default();
        let consumer = clients::bounded_reader(config, isolation)
            .create_with_context(events.clone())
            .map_err(|error| KafkaError::ClientRejected {
                reason: config.properties.redact(&error.to_string()),
            })?;
        Ok(Self {
            consumer,
            explain: Explain::new(Arc::clone(config), events, Arc::clone(authenticated_before)),
            purpose,
        })
    }

    /// Partitions of the topic.
    pub(crate) fn partitions(&self) -> Result<Vec<i32>, KafkaError> {
        let metadata = self
            .consumer
            .fetch_metadata(Some(self.purpose.topic), REQUEST_TIMEOUT);
        let metadata = metadata.map_err(|error| self.failed(&error))?;
        let topic = only_topic(&metadata).map_err(|code| {
            let reason = "several topics instead of one";
            self.explain.code(self.attempt(), code, reason)
        })?;
        let partitions: Vec<i32> = topic
            .into_iter()
            .flat_map(|topic| topic.partitions())
            .map(|partition| partition.id())
            .collect();
        if partitions.is_empty() {
            let code = RDKafkaErrorCode::UnknownTopicOrPartition;
            return Err(self
                .explain
                .code(self.attempt(), code, "the topic does not exist"));
        }
        Ok(partitions)
    }

    /// Offset after the last record that this consumer sees; `None` when the topic does not exist.
    pub(crate) fn end(&self, partition: i32) -> Result<Option<i64>, KafkaError> {
        end_offset(&self.consumer, self.purpose.topic, partition).map_err(|error| self.failed(&error))
    }

    /// Offset of the first record that is left in a partition, and the offset after the last one that this consumer sees.
    pub(crate) fn range(&self, partition: i32) -> Result<(i64, i64), KafkaError> {
        self.consumer
            .fetch_watermarks(self.purpose.topic, partition, REQUEST_TIMEOUT)
            .map_err(|error| self.failed(&error))
    }

    /// Offset of the first record of each partition with at least this timestamp, in milliseconds; `None` where there is none.
    pub(crate) fn offsets_at(
        &self,
        partitions: &[i32],
        timestamp: i64,
    ) -> Result<Vec<(i32, Option<i64>)>, KafkaError> {
        let found = self.start(partitions, ReadFrom::Timestamp(timestamp))?;
        let offsets = found
            .elements()
            .into_iter()
            .map(|element| match element.offset() {
                Offset::Offset(offset) => (element.partition(), Some(offset)),
                _ => (element.partition(), None),
            });
        Ok(offsets.collect())
    }

    /// Waits until the records before `end` are not hidden by an open transaction.
    pub(crate) fn wait_until_visible(
        &self,
        partition: i32,
        end: i64,
        is_cancelled: IsCancelled<'_>,
    ) -> Result<(), KafkaError> {
        let deadline = Instant::now() + OPEN_TRANSACTION_LIMIT;
        while self.end(partition)?.is_none_or(|visible| visible < end) {
            if is_cancelled() {
                return Err(self.cancelled());
            }
            if Instant::now() >= deadline {
                return Err(KafkaError::EndHidden {
                    topic: self.purpose.topic.to_owned(),
                    end,
                });
            }
            thread::sleep(OPEN_TRANSACTION_POLL);
        }
        Ok(())
    }

    /// Passes every record that exists now to `handle`, in the order of each partition, until it breaks off. The end offsets are
    /// fixed at the beginning, because a busy producer appends records all the time.
    pub(crate) fn for_each(
        &self,
        partitions: &[i32],
        from: ReadFrom,
        is_cancelled: IsCancelled<'_>,
        mut handle: impl FnMut(&BorrowedMessage<'_>) -> ControlFlow<()>,
    ) -> Result<(), KafkaError> {
        let start = self.start(partitions, from)?;
        self.consumer
            .assign(&start)
            .map_err(|error| self.failed(&error))?;
        let mut unfinished = HashMap::new();
        for partition in partitions {
            // A broker that does not know the topic does not show that it is empty.
            let end = self.end(*partition)?.ok_or_else(|| {
                let code = RDKafkaErrorCode::UnknownTopicOrPartition;
                self.explain
                    .code(self.attempt(), code, "the topic does not exist")
            })?;
            unfinished.insert(*partition, end);
        }
        let mut deadline = Instant::now() + STALL_LIMIT;
        while !unfinished.is_empty() {
            match self.consumer.poll(POLL) {
                Some(Ok(record)) => {
                    let (partition, offset) = (record.partition(), record.offset());
                    let end = unfinished.get(&partition).copied();
                    // Records of a partition that was read to its end may still be in librdkafka's queue.
                    if end.is_some_and(|end| offset < end) && handle(&record).is_break() {
                        return Ok(());
                    }
                    if end.is_some_and(|end| offset + 1 >= end) {
                        unfinished.remove(&partition);
                    }
                    deadline = Instant::now() + STALL_LIMIT;
                    continue;
                }
                Some(Err(ClientError::PartitionEOF(partition))) => {
                    unfinished.remove(&partition);
                    continue;
                }
                Some(Err(error)) if stops_reading(&error) => return Err(self.failed(&error)),
                Some(Err(_)) | None => {}
            }
            if is_cancelled() {
                return Err(self.cancelled());
            }
            if Instant::now() >= deadline {
                return Err(self.explain.code(
                    self.attempt(),
                    RDKafkaErrorCode::OperationTimedOut,
                    "the end of the topic was not reached in time",
                ));
            }
        }
        Ok(())
    }

    fn start(&self, partitions: &[i32], from: ReadFrom) -> Result<TopicPartitionList, KafkaError> {
        let offset = match from {
            ReadFrom::Beginning => Offset::Beginning,
            // `offsets_for_times` takes timestamps in place of offsets.
            ReadFrom::Offset(number) | ReadFrom::Timestamp(number) => Offset::Offset(number),
        };
        let mut start = TopicPartitionList::new();
        for partition in partitions {
            start
                .add_partition_offset(self.purpose.topic, *partition, offset)
                .map_err(|error| self.failed(&error))?;
        }
        match from {
            ReadFrom::Beginning | ReadFrom::Offset(_) => Ok(start),
            ReadFrom::Timestamp(_) => self
                .consumer
                .offsets_for_times(start, REQUEST_TIMEOUT)
                .map_err(|error| self.failed(&error)),
        }
    }

    fn failed(&self, error: &ClientError) -> KafkaError {
        // The errors of connections are events, which may arrive a moment after the call has failed, behind many log lines.
        let is_unreachable = error
            .rdkafka_error_code()
            .is_some_and(|code| ErrorClass::of(code) == ErrorClass::Unreachable);
        let deadline = Instant::now() + EXPLANATION_LIMIT;
        while Instant::now() < deadline {
            match self.consumer.poll(EXPLANATION_TIME) {
                Some(Err(event)) => tracing::debug!(error = %event, "{}", self.purpose.doing),
                Some(Ok(_)) => {}
                None if is_unreachable && !self.explain.knows_problem() => {}
                None => break,
            }
        }
        self.explain.client(self.attempt(), error)
    }

    fn attempt(&self) -> Attempt<'_> {
        Attempt {
            doing: self.purpose.doing,
            operation: "Read",
            resource: "topic",
            name: self.purpose.topic,
        }
    }

    fn cancelled(&self) -> KafkaError {
        KafkaError::Cancelled {
            doing: self.purpose.doing,
        }
    }
}

/// Whether an error ends reading. librdkafka reconnects on its own, and a consumer group is not needed.
fn stops_reading(error: &ClientError) -> bool {
    match error.rdkafka_error_code() {
        Some(RDKafkaErrorCode::GroupAuthorizationFailed) => false,
        // The partition was truncated while it was read: the records read so far may not be consistent.
        Some(RDKafkaErrorCode::AutoOffsetReset) | None => true,
        Some(code) if skips_records(code) => true,
        Some(code) => !matches!(
            ErrorClass::of(code),
            ErrorClass::Unreachable | ErrorClass::Transient
        ),
    }
}
