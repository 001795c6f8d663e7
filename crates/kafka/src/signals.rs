//! Signal topic: each record is read once, from an offset that the checkpoint holds.
//!
//! The consumer joins no group and commits no offset. It does not see records of open transactions.

use std::sync::Arc;

use rdkafka::consumer::{Consumer, StreamConsumer};
use rdkafka::error::KafkaError as ClientError;
use rdkafka::{ClientConfig, Message, Offset, TopicPartitionList};

use crate::clients::{self, Isolation};
use crate::config::KafkaConfig;
use crate::end_offset::end_offset;
use crate::error::KafkaError;
use crate::error_class::{ErrorClass, skips_records};
use crate::events::Events;
use crate::explain::{Attempt, Explain};

/// Partition of the signals. There is only one, because signals have an order.
const PARTITION: i32 = 0;

const DOING: &str = "reading signals";

/// Reader of a signal topic.
pub struct SignalTopic {
    topic: String,
    consumer: Arc<StreamConsumer<Events>>,
    explain: Explain,
}

/// Record of a signal topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignalRecord {
    /// Offset of the record.
    pub offset: i64,
    /// Key: the connector that the signal is for.
    pub key: Option<Vec<u8>>,
    /// Value: the signal.
    pub value: Option<Vec<u8>>,
}

impl SignalTopic {
    /// Creates a reader of a topic, without connecting.
    ///
    /// # Errors
    /// librdkafka rejects the properties.
    pub fn new(config: &KafkaConfig, topic: &str) -> Result<Self, KafkaError> {
        let mut client: ClientConfig = clients::reader(config, Isolation::Committed);
        // Signals that retention has deleted are skipped; reading begins at the first one left.
        client
            .set("enable.partition.eof", "false")
            .set("auto.offset.reset", "earliest");
        let events = Events::default();
        let explain = Explain::new(Arc::new(config.clone()), events.clone(), Arc::default());
        let consumer = client
            .create_with_context(events)
            .map_err(|error| explain.client(attempt(topic), &error))?;
        Ok(Self {
            topic: topic.to_owned(),
            consumer: Arc::new(consumer),
            explain,
        })
    }

    /// Log end offset of the topic; `None` when the topic does not exist.
    ///
    /// # Errors
    /// No broker answers, or access is denied.
    pub async fn end(&self) -> Result<Option<i64>, KafkaError> {
        let (consumer, topic) = (Arc::clone(&self.consumer), self.topic.clone());
        let request = tokio::task::spawn_blocking(move || end_offset(consumer.as_ref(), &topic, PARTITION));
        let end = request.await.map_err(|_ended| KafkaError::Stopped)?;
        end.map_err(|error| self.failed(&error))
    }

    /// Continues at an offset.
    ///
    /// # Errors
    /// librdkafka rejects the assignment.
    pub fn read_from(&self, offset: i64) -> Result<(), KafkaError> {
        let mut position = TopicPartitionList::new();
        position
            .add_partition_offset(&self.topic, PARTITION, Offset::Offset(offset))
            .and_then(|()| self.consumer.assign(&position))
            .map_err(|error| self.failed(&error))
    }

    /// Next record. Cancel-safe.
    ///
    /// # Errors
    /// Reading failed, and waiting does not help.
    pub async fn next(&self) -> Result<SignalRecord, KafkaError> {
        loop {
            match self.consumer.recv().await {
                Ok(record) => {
                    return Ok(SignalRecord {
                        offset: record.offset(),
                        key: record.key().map(ToOwned::to_owned),
                        value: record.payload().map(ToOwned::to_owned),
                    });
                }
                // librdkafka reconnects on its own.
                Err(error) if is_transient(&error) => {}
                Err(error) => return Err(self.failed(&error)),
            }
        }
    }

    fn failed(&self, error: &ClientError) -> KafkaError {
        self.explain.client(attempt(&self.topic), error)
    }
}

fn attempt(topic: &str) -> Attempt<'_> {
    Attempt {
        doing: DOING,
        operation: "Read",
        resource: "topic",
        name: topic,
    }
}

fn is_transient(error: &ClientError) -> bool {
    error.rdkafka_error_code().is_some_and(|code| {
        !skips_records(code)
            && matches!(
                ErrorClass::of(code),
                ErrorClass::Unreachable | ErrorClass::Transient
            )
    })
}
