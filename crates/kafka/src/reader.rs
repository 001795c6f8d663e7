//! Reads topics to their end: the checkpoint topic, and once the offsets topic of a Connect worker.
//!
//! A reader of committed records sees nothing behind the first open transaction of any producer. A position that was
//! committed but lies behind another connector's open transaction would be missed, and its changes delivered twice: so
//! reading ends only when everything that was in the log when it began can be seen.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::thread;
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::KafkaError as ClientError;
use rdkafka::types::RDKafkaErrorCode;
use rdkafka::{ClientConfig, Message, Offset, TopicPartitionList};
use walcast_delivery::CheckpointLog;

use crate::checkpoint::LastRecords;
use crate::events::Events;
use crate::explain::{Attempt, Explain};
use crate::sorting::Kind;
use crate::{KafkaConfig, KafkaError, clients};

/// How long a broker may take to answer one question.
const QUESTION_LIMIT: Duration = Duration::from_secs(5);

/// How long reading may take altogether: the topic is compacted to megabytes.
const READ_LIMIT: Duration = Duration::from_secs(60);

/// How long other connectors' open transactions are waited for. A commit takes milliseconds.
const HIDDEN_LIMIT: Duration = Duration::from_secs(10);

/// How often it is looked whether they have ended.
const HIDDEN_PAUSE: Duration = Duration::from_millis(20);

/// How long events that explain a failure are waited for.
const EXPLANATION_TIME: Duration = Duration::from_millis(10);

/// How long they are waited for altogether, should records come in as well.
const EXPLANATION_LIMIT: Duration = Duration::from_millis(200);

/// The longest wait for one record before it is looked whether reading is still wanted.
const POLL: Duration = Duration::from_millis(200);

/// Reads a connector's checkpoint without taking part in anything: a running instance is not disturbed.
#[derive(Clone, Debug)]
pub struct CheckpointReader {
    config: Arc<KafkaConfig>,
}

impl CheckpointReader {
    /// A reader of `config`'s checkpoint topic.
    #[must_use]
    pub fn new(config: KafkaConfig) -> Self {
        Self {
            config: Arc::new(config),
        }
    }

    /// Reads the checkpoint and its history; both are empty when there is no such topic.
    ///
    /// # Errors
    /// When no broker answers, access is refused, or a checkpoint cannot be read.
    pub async fn read(&self) -> Result<CheckpointLog, KafkaError> {
        let config = Arc::clone(&self.config);
        let reading = tokio::task::spawn_blocking(move || read(&config, &Arc::default(), &|| true));
        reading.await.map_err(|_ended| KafkaError::Stopped)?
    }
}

/// The last value of each key of a compacted topic, such as the offsets topic of a Kafka Connect worker. A key whose last
/// record has no value is left out.
///
/// # Errors
/// When no broker answers, access is refused, there is no such topic, or it does not come to an end.
pub async fn last_values(
    config: KafkaConfig,
    topic: String,
) -> Result<HashMap<Vec<u8>, Vec<u8>>, KafkaError> {
    let config = Arc::new(config);
    let doing = "reading the connector's offsets";
    let reading = tokio::task::spawn_blocking(move || read_last_values(&config, doing, &topic, |_| true));
    reading.await.map_err(|_ended| KafkaError::Stopped)?
}

/// The same of the keys that are wanted.
pub(crate) fn read_last_values(
    config: &Arc<KafkaConfig>,
    doing: &'static str,
    topic: &str,
    is_wanted: impl Fn(&[u8]) -> bool,
) -> Result<HashMap<Vec<u8>, Vec<u8>>, KafkaError> {
    let purpose = Purpose { doing, topic };
    let uncommitted = Reader::new(
        config,
        &clients::uncommitted_reader(config),
        purpose,
        &Arc::default(),
    )?;
    let partitions = uncommitted.partitions()?;
    let committed = Reader::new(
        config,
        &clients::committed_reader(config),
        purpose,
        &Arc::default(),
    )?;
    for partition in &partitions {
        if let Some(end) = uncommitted.end(*partition)? {
            committed.wait_until_visible(*partition, end, &|| true)?;
        }
    }
    let mut last = HashMap::new();
    committed.read_all(&partitions, &|| true, |key, value| {
        match value {
            _ if !is_wanted(key) => None,
            Some(value) => last.insert(key.to_vec(), value.to_vec()),
            None => last.remove(key),
        };
    })?;
    Ok(last)
}

/// Reads what can be seen now, and waits for nobody's open transaction: what is hidden by one is left out.
pub(crate) fn peek(
    config: &Arc<KafkaConfig>,
    was_let_in: &Arc<AtomicBool>,
    wanted: &dyn Fn() -> bool,
) -> Result<CheckpointLog, KafkaError> {
    let topic = config.checkpoint_topic();
    let purpose = Purpose::checkpoint(&topic);
    let committed = Reader::new(config, &clients::committed_reader(config), purpose, was_let_in)?;
    match committed.end(CHECKPOINT_PARTITION)? {
        Some(_) => committed.checkpoint_log(&config.name, wanted),
        None => Ok(CheckpointLog::default()),
    }
}

/// Reads to the end of what is there now.
pub(crate) fn read(
    config: &Arc<KafkaConfig>,
    was_let_in: &Arc<AtomicBool>,
    wanted: &dyn Fn() -> bool,
) -> Result<CheckpointLog, KafkaError> {
    let topic = config.checkpoint_topic();
    let purpose = Purpose::checkpoint(&topic);
    let uncommitted = Reader::new(config, &clients::uncommitted_reader(config), purpose, was_let_in)?;
    let Some(end) = uncommitted.end(CHECKPOINT_PARTITION)? else {
        return Ok(CheckpointLog::default());
    };
    let committed = Reader::new(config, &clients::committed_reader(config), purpose, was_let_in)?;
    committed.wait_until_visible(CHECKPOINT_PARTITION, end, wanted)?;
    committed.checkpoint_log(&config.name, wanted)
}

/// The checkpoint topic has no other.
const CHECKPOINT_PARTITION: i32 = 0;

/// The offset after the last record a client can see; `None` without topic.
pub(crate) fn end<C: ConsumerContext>(
    consumer: &impl Consumer<C>,
    topic: &str,
    partition: i32,
) -> Result<Option<i64>, ClientError> {
    match consumer.fetch_watermarks(topic, partition, QUESTION_LIMIT) {
        Ok((_, end)) => Ok(Some(end)),
        Err(error)
            if error
                .rdkafka_error_code()
                .is_some_and(|code| Kind::of(code) == Kind::UnknownTopic) =>
        {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// What is read, and what for.
#[derive(Clone, Copy)]
struct Purpose<'a> {
    doing: &'static str,
    topic: &'a str,
}

impl<'a> Purpose<'a> {
    fn checkpoint(topic: &'a str) -> Self {
        Self {
            doing: "reading the checkpoint",
            topic,
        }
    }
}

struct Reader<'a> {
    consumer: BaseConsumer<Events>,
    explain: Explain,
    purpose: Purpose<'a>,
}

impl<'a> Reader<'a> {
    fn new(
        config: &Arc<KafkaConfig>,
        client: &ClientConfig,
        purpose: Purpose<'a>,
        was_let_in: &Arc<AtomicBool>,
    ) -> Result<Self, KafkaError> {
        let events = Events::default();
        let consumer =
            client
                .create_with_context(events.clone())
                .map_err(|error| KafkaError::ClientRejected {
                    reason: config.properties.redact(&error.to_string()),
                })?;
        Ok(Self {
            consumer,
            explain: Explain::new(Arc::clone(config), events, Arc::clone(was_let_in)),
            purpose,
        })
    }

    /// The topic's partitions.
    fn partitions(&self) -> Result<Vec<i32>, KafkaError> {
        let metadata = self
            .consumer
            .fetch_metadata(Some(self.purpose.topic), QUESTION_LIMIT);
        let metadata = metadata.map_err(|error| self.failed(&error))?;
        let topic = metadata
            .topics()
            .iter()
            .find(|topic| topic.name() == self.purpose.topic);
        let partitions: Vec<i32> = topic
            .into_iter()
            .flat_map(|topic| topic.partitions())
            .map(|partition| partition.id())
            .collect();
        if partitions.is_empty() {
            let code = RDKafkaErrorCode::UnknownTopicOrPartition;
            return Err(self.explain.code(self.attempt(), code, "there is no such topic"));
        }
        Ok(partitions)
    }

    /// The offset after the last record this client can see; `None` without topic.
    fn end(&self, partition: i32) -> Result<Option<i64>, KafkaError> {
        end(&self.consumer, self.purpose.topic, partition).map_err(|error| self.failed(&error))
    }

    fn wait_until_visible(
        &self,
        partition: i32,
        end: i64,
        wanted: &dyn Fn() -> bool,
    ) -> Result<(), KafkaError> {
        let deadline = Instant::now() + HIDDEN_LIMIT;
        while self.end(partition)?.is_none_or(|visible| visible < end) {
            if !wanted() {
                return Err(self.abandoned());
            }
            if Instant::now() >= deadline {
                return Err(KafkaError::CheckpointHidden {
                    topic: self.purpose.topic.to_owned(),
                    end,
                });
            }
            thread::sleep(HIDDEN_PAUSE);
        }
        Ok(())
    }

    /// Hands key and value of every record on that is there now, in the order of each partition. A busy connector writes
    /// more all the time: whoever waited for an end of that would never come to it.
    fn read_all(
        &self,
        partitions: &[i32],
        wanted: &dyn Fn() -> bool,
        mut apply: impl FnMut(&[u8], Option<&[u8]>),
    ) -> Result<(), KafkaError> {
        let mut whole = TopicPartitionList::new();
        for partition in partitions {
            whole
                .add_partition_offset(self.purpose.topic, *partition, Offset::Beginning)
                .map_err(|error| self.failed(&error))?;
        }
        self.consumer
            .assign(&whole)
            .map_err(|error| self.failed(&error))?;
        let mut unfinished = HashMap::new();
        for partition in partitions {
            unfinished.insert(*partition, self.end(*partition)?.unwrap_or(0));
        }
        let deadline = Instant::now() + READ_LIMIT;
        while !unfinished.is_empty() {
            match self.consumer.poll(POLL) {
                Some(Ok(record)) => {
                    apply(record.key().unwrap_or_default(), record.payload());
                    let partition = record.partition();
                    if unfinished
                        .get(&partition)
                        .is_some_and(|end| record.offset() + 1 >= *end)
                    {
                        unfinished.remove(&partition);
                    }
                    continue;
                }
                Some(Err(ClientError::PartitionEOF(partition))) => {
                    unfinished.remove(&partition);
                    continue;
                }
                Some(Err(error)) if stops_reading(&error) => return Err(self.failed(&error)),
                Some(Err(_)) | None => {}
            }
            if !wanted() {
                return Err(self.abandoned());
            }
            if Instant::now() >= deadline {
                return Err(self.explain.code(
                    self.attempt(),
                    RDKafkaErrorCode::OperationTimedOut,
                    "no end in time",
                ));
            }
        }
        Ok(())
    }

    fn checkpoint_log(&self, name: &str, wanted: &dyn Fn() -> bool) -> Result<CheckpointLog, KafkaError> {
        let mut last = LastRecords::of(name);
        self.read_all(&[CHECKPOINT_PARTITION], wanted, |key, value| {
            last.apply(key, value)
        })?;
        last.into_log()
    }

    fn failed(&self, error: &ClientError) -> KafkaError {
        // Why connections fail is told as events, which may come a moment after the call has failed.
        let deadline = Instant::now() + EXPLANATION_LIMIT;
        while Instant::now() < deadline
            && let Some(event) = self.consumer.poll(EXPLANATION_TIME)
        {
            if let Err(event) = event {
                tracing::debug!(error = %event, "{}", self.purpose.doing);
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

    fn abandoned(&self) -> KafkaError {
        KafkaError::Abandoned {
            doing: self.purpose.doing,
        }
    }
}

/// Broken connections are made anew by librdkafka, and a group is not needed.
fn stops_reading(error: &ClientError) -> bool {
    match error.rdkafka_error_code() {
        Some(RDKafkaErrorCode::GroupAuthorizationFailed) => false,
        // The log was cut while it was read: what was seen may not fit together.
        Some(RDKafkaErrorCode::AutoOffsetReset) | None => true,
        Some(code) => !matches!(Kind::of(code), Kind::Unreachable | Kind::Passing),
    }
}
