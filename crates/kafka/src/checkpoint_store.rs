//! Checkpoint store: the checkpoint topic, as it is read without a producer.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rdkafka::Message;
use walcast_delivery::{BoxedPortError, CheckpointLog, CheckpointStore};

use crate::checkpoint::LastRecords;
use crate::clients::Isolation;
use crate::config::KafkaConfig;
use crate::error::KafkaError;
use crate::producer_session::IsCancelled;
use crate::topic_consumer::{Purpose, ReadFrom, TopicConsumer};

/// Partition of the checkpoint topic, which has only one.
const PARTITION: i32 = 0;

/// Checkpoint store of a connector: the checkpoint topic, read without a producer. The checkpoint is written by
/// [`KafkaSink`](crate::KafkaSink), in one transaction with the records.
#[derive(Clone, Debug)]
pub struct KafkaCheckpointStore {
    config: Arc<KafkaConfig>,
    authenticated_before: Arc<AtomicBool>,
}

/// Way to read the checkpoint topic.
type Read = fn(&Arc<KafkaConfig>, &Arc<AtomicBool>, IsCancelled<'_>) -> Result<CheckpointLog, KafkaError>;

impl KafkaCheckpointStore {
    /// Creates a reader of the checkpoint topic, without connecting.
    #[must_use]
    pub fn new(config: KafkaConfig) -> Self {
        Self {
            config: Arc::new(config),
            authenticated_before: Arc::default(),
        }
    }

    /// As [`CheckpointStore::read`], with the error of this crate.
    pub(crate) async fn log(&self) -> Result<CheckpointLog, KafkaError> {
        self.read_with(read).await
    }

    /// Reads on a thread that may block, and ends it soon after the future is dropped.
    async fn read_with(&self, read: Read) -> Result<CheckpointLog, KafkaError> {
        let (config, authenticated_before) =
            (Arc::clone(&self.config), Arc::clone(&self.authenticated_before));
        let cancelling = CancelOnDrop(Arc::default());
        let cancelled = Arc::clone(&cancelling.0);
        let reading = tokio::task::spawn_blocking(move || {
            let log = read(&config, &authenticated_before, &|| {
                cancelled.load(Ordering::Relaxed)
            })?;
            authenticated_before.store(true, Ordering::Relaxed);
            Ok(log)
        });
        reading.await.map_err(|_ended| KafkaError::Stopped)?
    }
}

/// Flag that is set when its owner, a future, is dropped.
struct CancelOnDrop(Arc<AtomicBool>);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl CheckpointStore for KafkaCheckpointStore {
    async fn peek(&self) -> Result<CheckpointLog, BoxedPortError> {
        Ok(self.read_with(peek).await?)
    }

    async fn read(&self) -> Result<CheckpointLog, BoxedPortError> {
        Ok(self.log().await?)
    }
}

/// Reads the records that are visible now, without waiting for open transactions: records behind one are left out.
fn peek(
    config: &Arc<KafkaConfig>,
    authenticated_before: &Arc<AtomicBool>,
    is_cancelled: IsCancelled<'_>,
) -> Result<CheckpointLog, KafkaError> {
    let topic = config.checkpoint_topic();
    let committed = TopicConsumer::new(
        config,
        Isolation::Committed,
        purpose(&topic),
        authenticated_before,
    )?;
    match committed.end(PARTITION)? {
        Some(_) => checkpoint_log(&committed, &config.name, is_cancelled),
        None => Ok(CheckpointLog::default()),
    }
}

/// As [`read_existing`]; a topic that does not exist holds nothing.
fn read(
    config: &Arc<KafkaConfig>,
    authenticated_before: &Arc<AtomicBool>,
    is_cancelled: IsCancelled<'_>,
) -> Result<CheckpointLog, KafkaError> {
    let log = read_existing(config, authenticated_before, is_cancelled)?;
    Ok(log.unwrap_or_default())
}

/// Reads every committed record that exists now; `None` when the topic does not exist. Transactions that are open when reading begins
/// are awaited.
pub(crate) fn read_existing(
    config: &Arc<KafkaConfig>,
    authenticated_before: &Arc<AtomicBool>,
    is_cancelled: IsCancelled<'_>,
) -> Result<Option<CheckpointLog>, KafkaError> {
    let topic = config.checkpoint_topic();
    let uncommitted = TopicConsumer::new(
        config,
        Isolation::Uncommitted,
        purpose(&topic),
        authenticated_before,
    )?;
    let Some(end) = uncommitted.end(PARTITION)? else {
        return Ok(None);
    };
    let committed = TopicConsumer::new(
        config,
        Isolation::Committed,
        purpose(&topic),
        authenticated_before,
    )?;
    committed.wait_until_visible(PARTITION, end, is_cancelled)?;
    checkpoint_log(&committed, &config.name, is_cancelled).map(Some)
}

fn purpose(topic: &str) -> Purpose<'_> {
    Purpose {
        doing: "reading the checkpoint",
        topic,
    }
}

fn checkpoint_log(
    consumer: &TopicConsumer<'_>,
    name: &str,
    is_cancelled: IsCancelled<'_>,
) -> Result<CheckpointLog, KafkaError> {
    let mut last = LastRecords::of(name);
    consumer.for_each(&[PARTITION], ReadFrom::Beginning, is_cancelled, |record| {
        last.apply(record.key().unwrap_or_default(), record.payload());
        ControlFlow::Continue(())
    })?;
    last.into_log()
}
