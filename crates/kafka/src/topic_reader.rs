//! Streaming reader of a topic: all of its partitions or one, from an offset or a time, up to their present end.
//!
//! Only committed records are read; transactions that are open when reading begins are awaited, or left out. Memory is bounded: a blocking
//! task reads ahead by a few batches, and waits until they are taken.

use std::collections::{HashMap, VecDeque, vec_deque};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::clients::Isolation;
use crate::config::KafkaConfig;
use crate::error::KafkaError;
use crate::producer_session::IsCancelled;
use crate::topic_consumer::{Purpose, ReadFrom, TopicConsumer};
use crate::topic_record::{TopicRecord, topic_record};

/// Size in memory at which a batch of records is passed on; a larger record is a batch of its own.
const BATCH_BYTES: usize = 256 * 1024;

/// Number of batches that may wait to be taken.
const BATCHES_AHEAD: usize = 4;

/// What of a topic is read, and for which operation.
#[derive(Clone, Debug)]
pub struct TopicSelection {
    /// Name of the topic.
    pub topic: String,
    /// Partition that is read; `None` reads all of them.
    pub partition: Option<i32>,
    /// Position at which reading begins.
    pub from: ReadFrom,
    /// Description of the operation, for errors.
    pub doing: &'static str,
}

/// Streaming reader of a topic. Dropping the reader ends it.
#[derive(Debug)]
pub struct TopicReader {
    batches: mpsc::Receiver<Result<Vec<TopicRecord>, KafkaError>>,
    batch: vec_deque::IntoIter<TopicRecord>,
    /// Task that reads; `None` after its end.
    reading: Option<JoinHandle<()>>,
}

impl TopicReader {
    /// Starts to read. Transactions that are open now are awaited.
    #[must_use]
    pub fn start(config: KafkaConfig, selection: TopicSelection) -> Self {
        Self::with(config, selection, OpenTransactions::Awaited)
    }

    /// Starts to read what is committed now: up to the last stable offset of each partition, without waiting for transactions that
    /// are open.
    #[must_use]
    pub fn of_committed(config: KafkaConfig, selection: TopicSelection) -> Self {
        Self::with(config, selection, OpenTransactions::LeftOut)
    }

    fn with(config: KafkaConfig, selection: TopicSelection, open: OpenTransactions) -> Self {
        let (sender, batches) = mpsc::channel(BATCHES_AHEAD);
        let reading = tokio::task::spawn_blocking(move || {
            if let Err(error) = read(&Arc::new(config), &selection, open, &sender) {
                // The receiver is gone when the reader was dropped.
                drop(sender.blocking_send(Err(error)));
            }
        });
        Self {
            batches,
            batch: VecDeque::new().into_iter(),
            reading: Some(reading),
        }
    }

    /// Next record, in the order of each partition; `None` at the end. Cancel-safe.
    ///
    /// # Errors
    /// No broker answers, access is denied, the topic does not exist, or its end is not reached in time.
    pub async fn next(&mut self) -> Result<Option<TopicRecord>, KafkaError> {
        loop {
            if let Some(record) = self.batch.next() {
                return Ok(Some(record));
            }
            match self.batches.recv().await {
                Some(batch) => self.batch = VecDeque::from(batch?).into_iter(),
                None => break,
            }
        }
        // The client library panics on a header whose name is not UTF-8: the records so far are not all records.
        if let Some(reading) = &mut self.reading {
            let ended = reading.await;
            self.reading = None;
            ended.map_err(|_panicked| KafkaError::Stopped)?;
        }
        Ok(None)
    }
}

/// What happens with transactions that are open when reading begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum OpenTransactions {
    Awaited,
    LeftOut,
}

/// Last value of each key of a compacted topic, such as the offsets topic of a Kafka Connect worker. Deleted keys are left out.
///
/// # Errors
/// The errors of [`TopicReader::next`].
pub async fn last_values(
    config: KafkaConfig,
    topic: String,
) -> Result<HashMap<Vec<u8>, Vec<u8>>, KafkaError> {
    last_values_of(config, topic, "reading the connector's offsets", |_| true).await
}

/// Last value of each key that `is_wanted`.
pub(crate) async fn last_values_of(
    config: KafkaConfig,
    topic: String,
    doing: &'static str,
    is_wanted: impl Fn(&[u8]) -> bool,
) -> Result<HashMap<Vec<u8>, Vec<u8>>, KafkaError> {
    let selection = TopicSelection {
        topic,
        partition: None,
        from: ReadFrom::Beginning,
        doing,
    };
    last_values_in(config, selection, is_wanted).await
}

/// Last value in a part of a topic of each key that `is_wanted`.
pub(crate) async fn last_values_in(
    config: KafkaConfig,
    selection: TopicSelection,
    is_wanted: impl Fn(&[u8]) -> bool,
) -> Result<HashMap<Vec<u8>, Vec<u8>>, KafkaError> {
    let mut reader = TopicReader::start(config, selection);
    let mut last = HashMap::new();
    while let Some(record) = reader.next().await? {
        let key = record.key.unwrap_or_default();
        if !is_wanted(&key) {
            continue;
        }
        match record.value {
            Some(value) => last.insert(key, value),
            None => last.remove(&key),
        };
    }
    Ok(last)
}

fn read(
    config: &Arc<KafkaConfig>,
    selection: &TopicSelection,
    open: OpenTransactions,
    batches: &mpsc::Sender<Result<Vec<TopicRecord>, KafkaError>>,
) -> Result<(), KafkaError> {
    let purpose = Purpose {
        doing: selection.doing,
        topic: &selection.topic,
    };
    let is_cancelled = || batches.is_closed();
    let authenticated_before = Arc::<AtomicBool>::default();
    let committed = TopicConsumer::new(config, Isolation::Committed, purpose, &authenticated_before)?;
    let partitions = match selection.partition {
        Some(partition) => vec![partition],
        None => committed.partitions()?,
    };
    if open == OpenTransactions::Awaited {
        let uncommitted = TopicConsumer::new(config, Isolation::Uncommitted, purpose, &authenticated_before)?;
        wait_until_visible(&uncommitted, &committed, &partitions, &is_cancelled)?;
    }
    let (mut batch, mut bytes) = (Vec::new(), 0);
    committed.for_each(&partitions, selection.from, &is_cancelled, |record| {
        let record = topic_record(record);
        bytes += record.held_bytes();
        batch.push(record);
        if bytes < BATCH_BYTES {
            return ControlFlow::Continue(());
        }
        bytes = 0;
        match batches.blocking_send(Ok(std::mem::take(&mut batch))) {
            Ok(()) => ControlFlow::Continue(()),
            Err(_closed) => ControlFlow::Break(()),
        }
    })?;
    if !batch.is_empty() {
        // The receiver is gone when the reader was dropped.
        drop(batches.blocking_send(Ok(batch)));
    }
    Ok(())
}

fn wait_until_visible(
    uncommitted: &TopicConsumer<'_>,
    committed: &TopicConsumer<'_>,
    partitions: &[i32],
    is_cancelled: IsCancelled<'_>,
) -> Result<(), KafkaError> {
    for partition in partitions {
        if let Some(end) = uncommitted.end(*partition)? {
            committed.wait_until_visible(*partition, end, is_cancelled)?;
        }
    }
    Ok(())
}

/// Waits for the end of the transactions that are open now in a topic, so that a `read_committed` consumer sees every record that was
/// written before.
///
/// # Errors
/// No broker answers, access is denied, the topic does not exist, or a transaction does not end in time.
pub async fn await_open_transactions(
    config: &KafkaConfig,
    topic: &str,
    doing: &'static str,
) -> Result<(), KafkaError> {
    let (config, topic) = (Arc::new(config.clone()), topic.to_owned());
    let waiting = tokio::task::spawn_blocking(move || {
        let purpose = Purpose { doing, topic: &topic };
        let authenticated_before = Arc::<AtomicBool>::default();
        let consumer = |isolation| TopicConsumer::new(&config, isolation, purpose, &authenticated_before);
        let (uncommitted, committed) = (consumer(Isolation::Uncommitted)?, consumer(Isolation::Committed)?);
        wait_until_visible(&uncommitted, &committed, &uncommitted.partitions()?, &|| false)
    });
    waiting.await.map_err(|_ended| KafkaError::Stopped)?
}
