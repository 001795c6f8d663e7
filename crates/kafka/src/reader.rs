//! Reads the checkpoint topic to its end.
//!
//! A reader of committed records sees nothing behind the first open transaction of any producer. A position that was
//! committed but lies behind another connector's open transaction would be missed, and its changes delivered twice: so
//! reading ends only when everything that was in the log when it began can be seen.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::thread;
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer};
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

/// Reads to the end of what is there now.
pub(crate) fn read(
    config: &Arc<KafkaConfig>,
    was_let_in: &Arc<AtomicBool>,
    wanted: &dyn Fn() -> bool,
) -> Result<CheckpointLog, KafkaError> {
    let topic = config.checkpoint_topic();
    let Some(end) = Reader::new(config, &clients::uncommitted_reader(config), &topic, was_let_in)?.end()?
    else {
        return Ok(CheckpointLog::default());
    };
    let committed = Reader::new(config, &clients::committed_reader(config), &topic, was_let_in)?;
    committed.wait_until_visible(end, wanted)?;
    committed.read_all(&config.name, wanted)
}

struct Reader<'a> {
    consumer: BaseConsumer<Events>,
    explain: Explain,
    topic: &'a str,
}

impl<'a> Reader<'a> {
    fn new(
        config: &Arc<KafkaConfig>,
        client: &ClientConfig,
        topic: &'a str,
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
            topic,
        })
    }

    /// The offset after the last record this client can see; `None` without topic.
    fn end(&self) -> Result<Option<i64>, KafkaError> {
        match self.consumer.fetch_watermarks(self.topic, 0, QUESTION_LIMIT) {
            Ok((_, end)) => Ok(Some(end)),
            Err(error)
                if error
                    .rdkafka_error_code()
                    .is_some_and(|code| Kind::of(code) == Kind::UnknownTopic) =>
            {
                Ok(None)
            }
            Err(error) => Err(self.failed(&error)),
        }
    }

    fn wait_until_visible(&self, end: i64, wanted: &dyn Fn() -> bool) -> Result<(), KafkaError> {
        let deadline = Instant::now() + HIDDEN_LIMIT;
        while self.end()?.is_none_or(|visible| visible < end) {
            if !wanted() {
                return Err(abandoned());
            }
            if Instant::now() >= deadline {
                return Err(KafkaError::CheckpointHidden {
                    topic: self.topic.to_owned(),
                    end,
                });
            }
            thread::sleep(HIDDEN_PAUSE);
        }
        Ok(())
    }

    fn read_all(&self, name: &str, wanted: &dyn Fn() -> bool) -> Result<CheckpointLog, KafkaError> {
        let mut whole = TopicPartitionList::new();
        whole
            .add_partition_offset(self.topic, 0, Offset::Beginning)
            .map_err(|error| self.failed(&error))?;
        self.consumer
            .assign(&whole)
            .map_err(|error| self.failed(&error))?;
        let mut last = LastRecords::of(name);
        let deadline = Instant::now() + READ_LIMIT;
        loop {
            match self.consumer.poll(POLL) {
                Some(Ok(record)) => {
                    last.apply(record.key().unwrap_or_default(), record.payload());
                    continue;
                }
                Some(Err(ClientError::PartitionEOF(_))) => return last.into_log(),
                Some(Err(error)) if stops_reading(&error) => return Err(self.failed(&error)),
                Some(Err(_)) | None => {}
            }
            if !wanted() {
                return Err(abandoned());
            }
            if Instant::now() >= deadline {
                return Err(self.explain.code(
                    self.attempt(),
                    RDKafkaErrorCode::OperationTimedOut,
                    "no end in time",
                ));
            }
        }
    }

    fn failed(&self, error: &ClientError) -> KafkaError {
        // Why connections fail is told as events, which may come a moment after the call has failed.
        let deadline = Instant::now() + EXPLANATION_LIMIT;
        while Instant::now() < deadline
            && let Some(event) = self.consumer.poll(EXPLANATION_TIME)
        {
            if let Err(event) = event {
                tracing::debug!(error = %event, "reading the checkpoint");
            }
        }
        self.explain.client(self.attempt(), error)
    }

    fn attempt(&self) -> Attempt<'_> {
        Attempt {
            doing: "reading the checkpoint",
            operation: "Read",
            resource: "topic",
            name: self.topic,
        }
    }
}

fn abandoned() -> KafkaError {
    KafkaError::Abandoned {
        doing: "reading the checkpoint",
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
