//! The signal topic: what it holds is read once, from an offset that is remembered elsewhere.
//!
//! No group is joined and no offset committed. Records of open transactions are not seen.

use std::sync::Arc;

use rdkafka::consumer::{Consumer, StreamConsumer};
use rdkafka::error::KafkaError as ClientError;
use rdkafka::{ClientConfig, Message, Offset, TopicPartitionList};

use crate::events::Events;
use crate::explain::{Attempt, Explain};
use crate::sorting::Kind;
use crate::{KafkaConfig, KafkaError, clients, reader};

/// Signals are in order, so there is one partition.
const PARTITION: i32 = 0;

const DOING: &str = "reading signals";

/// A topic of signals.
pub struct SignalTopic {
    topic: String,
    consumer: Arc<StreamConsumer<Events>>,
    explain: Explain,
}

/// A record of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignalRecord {
    /// Where it lies.
    pub offset: i64,
    /// Whom it is for.
    pub key: Option<Vec<u8>>,
    /// What it says.
    pub value: Option<Vec<u8>>,
}

impl SignalTopic {
    /// A reader of a topic; nothing is connected yet.
    ///
    /// # Errors
    /// librdkafka does not take the properties.
    pub fn new(config: &KafkaConfig, topic: &str) -> Result<Self, KafkaError> {
        let mut client: ClientConfig = clients::committed_reader(config);
        // Signals that retention has removed are gone; what is left of them counts.
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

    /// The offset behind its last record; `None`: there is no such topic.
    ///
    /// # Errors
    /// No broker answers, or access is refused.
    pub async fn end(&self) -> Result<Option<i64>, KafkaError> {
        let (consumer, topic) = (Arc::clone(&self.consumer), self.topic.clone());
        let asked = tokio::task::spawn_blocking(move || reader::end(consumer.as_ref(), &topic, PARTITION));
        let end = asked.await.map_err(|_ended| KafkaError::Stopped)?;
        end.map_err(|error| self.failed(&error))
    }

    /// Goes on from an offset.
    ///
    /// # Errors
    /// librdkafka refuses.
    pub fn read_from(&self, offset: i64) -> Result<(), KafkaError> {
        let mut place = TopicPartitionList::new();
        place
            .add_partition_offset(&self.topic, PARTITION, Offset::Offset(offset))
            .and_then(|()| self.consumer.assign(&place))
            .map_err(|error| self.failed(&error))
    }

    /// The next record. Cancel-safe.
    ///
    /// # Errors
    /// It cannot be read, and will not be by waiting.
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
                // librdkafka connects again by itself.
                Err(error) if passes(&error) => {}
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

fn passes(error: &ClientError) -> bool {
    error
        .rdkafka_error_code()
        .is_some_and(|code| matches!(Kind::of(code), Kind::Unreachable | Kind::Passing))
}
