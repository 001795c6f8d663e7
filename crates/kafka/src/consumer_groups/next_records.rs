//! First records that groups have not consumed.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError as ClientError;
use rdkafka::message::{BorrowedMessage, Headers};
use rdkafka::{Message, Offset, TopicPartitionList};
use tracing::debug;

use super::client::{DOING, REQUEST_TIMEOUT, client};
use super::report::{GroupPartition, NextRecord};
use crate::clients::{self, Isolation};
use crate::config::KafkaConfig;
use crate::error::KafkaError;
use crate::events::Events;
use crate::replay_copy::REPLAY_HEADER;

/// Header that identifies a record.
const ID: &str = "walcast.id";

/// Time for which the records of one topic are awaited.
const RECORDS_TIME_MAX: Duration = Duration::from_secs(10);

/// Longest wait for one record.
const POLL: Duration = Duration::from_millis(100);

/// Reader of single records.
pub(super) struct NextRecords {
    committed: BaseConsumer<Events>,
    /// Sees the records of open transactions.
    uncommitted: BaseConsumer<Events>,
}

impl NextRecords {
    pub(super) fn new(config: &Arc<KafkaConfig>) -> Result<Self, KafkaError> {
        let consumer = |isolation| {
            let settings = clients::bounded_reader(config, isolation);
            client(config, settings, &Events::default())
        };
        Ok(Self {
            committed: consumer(Isolation::Committed)?,
            uncommitted: consumer(Isolation::Uncommitted)?,
        })
    }

    /// Finds the next record of each partition, in the order of their topics. Those that cannot be read until the deadline stay
    /// unknown.
    pub(super) fn find(
        &mut self,
        partitions: &mut [GroupPartition],
        deadline: Instant,
    ) -> Result<(), KafkaError> {
        for of_topic in partitions.chunk_by_mut(|one, next| one.topic == next.topic) {
            self.find_in_topic(of_topic, deadline)?;
        }
        Ok(())
    }

    /// The client library reports the end of a partition by its number alone, so that the partitions of one topic are read at a time.
    fn find_in_topic(
        &mut self,
        partitions: &mut [GroupPartition],
        deadline: Instant,
    ) -> Result<(), KafkaError> {
        let mut wanted: HashMap<i32, &mut GroupPartition> = HashMap::new();
        let mut start = TopicPartitionList::new();
        for partition in partitions {
            match beginning(partition) {
                Beginning::End => partition.next = self.none(partition, deadline),
                Beginning::Unknown => {}
                Beginning::Offset(offset) => {
                    let (topic, number) = (&partition.topic, partition.partition);
                    let added = start.add_partition_offset(topic, number, Offset::Offset(offset));
                    added.map_err(|error| failed(&error))?;
                    wanted.insert(number, partition);
                }
            }
        }
        if wanted.is_empty() {
            return Ok(());
        }
        self.committed.assign(&start).map_err(|error| failed(&error))?;
        let of_topic = deadline.min(Instant::now() + RECORDS_TIME_MAX);
        while !wanted.is_empty() && Instant::now() < of_topic {
            match self.committed.poll(POLL) {
                Some(Ok(record)) => {
                    if let Some(partition) = wanted.remove(&record.partition()) {
                        partition.next = match record.offset() < partition.end {
                            true => next(&record),
                            false => self.none(partition, deadline),
                        };
                    }
                }
                // What is left before the end are markers of transactions.
                Some(Err(ClientError::PartitionEOF(number))) => {
                    if let Some(partition) = wanted.remove(&number) {
                        partition.next = self.none(partition, deadline);
                    }
                }
                Some(Err(error)) => debug!(%error, "{DOING}"),
                None => {}
            }
        }
        let stopped = self.committed.assign(&TopicPartitionList::new());
        stopped.map_err(|error| failed(&error))
    }

    /// What is next after the last record that a `read_committed` consumer sees: nothing, or records of open transactions.
    fn none(&self, partition: &GroupPartition, deadline: Instant) -> NextRecord {
        // Each request of a broker that does not answer takes as long as its limit.
        if Instant::now() >= deadline {
            return NextRecord::Unknown;
        }
        let (topic, number) = (&partition.topic, partition.partition);
        match self.uncommitted.fetch_watermarks(topic, number, REQUEST_TIMEOUT) {
            Ok((_, last)) if last <= partition.end => NextRecord::None,
            Ok(_) => NextRecord::Hidden,
            Err(error) => {
                debug!(%error, "{DOING}");
                NextRecord::Unknown
            }
        }
    }
}

/// Where the next record of a group is looked for.
enum Beginning {
    End,
    Unknown,
    Offset(i64),
}

fn beginning(partition: &GroupPartition) -> Beginning {
    let GroupPartition { first, end, .. } = *partition;
    match partition.committed {
        // Nothing was ever written, or all of it was deleted.
        None if first == end => Beginning::End,
        None => Beginning::Unknown,
        Some(committed) if committed == end => Beginning::End,
        // Records were deleted before the group has consumed them, or the topic was created again.
        Some(committed) if committed < first || committed > end => Beginning::Unknown,
        Some(committed) => Beginning::Offset(committed),
    }
}

fn next(record: &BorrowedMessage<'_>) -> NextRecord {
    // The client library panics on a header whose name is not UTF-8, which another producer may have written.
    let id = catch_unwind(AssertUnwindSafe(|| {
        let headers = || record.headers().into_iter().flat_map(|headers| headers.iter());
        let is_replayed = headers().any(|header| header.key == REPLAY_HEADER);
        let id = headers().find(|header| header.key == ID && !is_replayed);
        let id = id.and_then(|header| header.value);
        id.map(|id| String::from_utf8_lossy(id).into_owned())
    }));
    NextRecord::Record {
        timestamp: record.timestamp().to_millis(),
        id: id.unwrap_or_default(),
    }
}

fn failed(error: &ClientError) -> KafkaError {
    KafkaError::ClientRejected {
        reason: error.to_string(),
    }
}
