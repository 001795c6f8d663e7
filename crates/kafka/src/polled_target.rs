//! Target of polled outboxes: a producer for each worker, and the claims of the workers in the checkpoint topic.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use rdkafka::Message;
use tracing::debug;
use walcast_delivery::{BoxedPortError, CheckpointUpdate, Claim, PolledSink, PolledTarget};
use walcast_mapper::RecordBuffer;
use walcast_pgoutput::Lsn;

use crate::checkpoint::{self, CheckpointRecord};
use crate::checkpoint_store::KafkaCheckpointStore;
use crate::clients::Isolation;
use crate::config::KafkaConfig;
use crate::error::KafkaError;
use crate::polled_claim::{LastClaims, claim_record};
use crate::producer_session::ProducerSession;
use crate::topic_consumer::{Purpose, ReadFrom, TopicConsumer};
use crate::topics::ensure_checkpoint_topic;

/// Partition of the checkpoint topic, which has only one.
const PARTITION: i32 = 0;

/// Memory that an emptied batch keeps.
const BATCH_BYTES_KEPT: usize = 4 * 1024 * 1024;

/// How long brokers may take until they know the checkpoint topic.
const KNOWN_LIMIT: Duration = Duration::from_secs(10);

/// Pause between two attempts to read it.
const KNOWN_PAUSE: Duration = Duration::from_millis(100);

/// Target of the polled outboxes of a connector.
///
/// Worker `n` has the transactional id `walcast-<name>.poll-<n>`, which no connector has, because a connector's name contains no dot.
pub struct KafkaPolledTarget {
    config: Arc<KafkaConfig>,
    authenticated_before: Arc<AtomicBool>,
}

impl KafkaPolledTarget {
    /// Creates the target, without connecting.
    #[must_use]
    pub fn new(config: KafkaConfig) -> Self {
        Self {
            config: Arc::new(config),
            authenticated_before: Arc::default(),
        }
    }
}

impl fmt::Debug for KafkaPolledTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KafkaPolledTarget")
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}

impl PolledTarget for KafkaPolledTarget {
    type Sink = KafkaPolledSink;

    async fn open(&mut self, worker: u32) -> Result<KafkaPolledSink, BoxedPortError> {
        // The producer asks for the topic, and a broker may create one that does not exist.
        ensure_checkpoint_topic(&self.config, &self.authenticated_before).await?;
        let own = Arc::new(of_worker(&self.config, worker));
        let authenticated_before = Arc::clone(&self.authenticated_before);
        let topic = self.config.checkpoint_topic();
        let opening = tokio::task::spawn_blocking(move || {
            let session = ProducerSession::new(&own, topic, &authenticated_before)?;
            session.fence_predecessors(&|| false)?;
            Ok::<_, KafkaError>(session)
        });
        let session = opening.await.map_err(|_ended| KafkaError::Stopped)??;
        Ok(KafkaPolledSink {
            connector: self.config.name.clone(),
            worker,
            session: Some(session),
        })
    }

    async fn claims(&mut self) -> Result<BTreeMap<u32, Claim>, BoxedPortError> {
        ensure_checkpoint_topic(&self.config, &self.authenticated_before).await?;
        let (config, authenticated_before) =
            (Arc::clone(&self.config), Arc::clone(&self.authenticated_before));
        let reading = tokio::task::spawn_blocking(move || read(&config, &authenticated_before));
        Ok(reading.await.map_err(|_ended| KafkaError::Stopped)??)
    }

    async fn checkpoint(&mut self) -> Result<Option<Lsn>, BoxedPortError> {
        let store = KafkaCheckpointStore::new(KafkaConfig::clone(&self.config));
        let log = store.log().await?;
        Ok(log.current.map(|checkpoint| checkpoint.end_lsn))
    }
}

/// Producer of a worker. After an error it is not used again.
pub struct KafkaPolledSink {
    connector: String,
    worker: u32,
    session: Option<ProducerSession>,
}

impl KafkaPolledSink {
    async fn transaction(
        &mut self,
        mut events: RecordBuffer,
        records: Vec<CheckpointRecord>,
    ) -> Result<RecordBuffer, KafkaError> {
        let mut session = self.session.take().ok_or(KafkaError::NotOpen {
            doing: "sending events",
        })?;
        let sending = tokio::task::spawn_blocking(move || {
            let sent = session
                .write(&events, &|| false)
                .and_then(|()| session.commit(&records, &|| false));
            if sent.is_err()
                && let Err(error) = session.abort(&|| false)
            {
                debug!(%error, "the transaction was not aborted; the next session ends it");
            }
            events.clear(BATCH_BYTES_KEPT);
            (sent, session, events)
        });
        let (sent, session, events) = sending.await.map_err(|_ended| KafkaError::Stopped)?;
        match sent {
            Ok(()) => {
                self.session = Some(session);
                Ok(events)
            }
            Err(error) => {
                close(session);
                Err(error)
            }
        }
    }
}

impl PolledSink for KafkaPolledSink {
    async fn commit(&mut self, events: RecordBuffer, claim: &Claim) -> Result<RecordBuffer, BoxedPortError> {
        let record = claim_record(&self.connector, self.worker, claim)?;
        Ok(self.transaction(events, vec![record]).await?)
    }

    async fn hand_over(
        &mut self,
        update: &CheckpointUpdate,
        workers: &BTreeSet<u32>,
    ) -> Result<(), BoxedPortError> {
        let mut records = checkpoint::records(&self.connector, update)?;
        records.extend(workers.iter().map(|worker| CheckpointRecord {
            key: checkpoint::claim_key(&self.connector, *worker),
            value: None,
        }));
        drop(self.transaction(RecordBuffer::new(), records).await?);
        Ok(())
    }
}

impl Drop for KafkaPolledSink {
    fn drop(&mut self) {
        if let Some(session) = self.session.take() {
            close(session);
        }
    }
}

impl fmt::Debug for KafkaPolledSink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KafkaPolledSink")
            .field("worker", &self.worker)
            .finish_non_exhaustive()
    }
}

/// Ends a producer, which may block.
fn close(session: ProducerSession) {
    let closing = std::thread::Builder::new().name("kafka-closing".to_owned());
    // Without a thread the producer is dropped with the closure.
    drop(closing.spawn(move || drop(session)));
}

/// Configuration of the producer of a worker.
fn of_worker(config: &KafkaConfig, worker: u32) -> KafkaConfig {
    KafkaConfig {
        name: format!("{}.poll-{worker}", config.name),
        ..config.clone()
    }
}

/// Reads the last claims from the checkpoint topic, which exists: a broker that does not know the topic is no evidence that it is empty.
fn read(
    config: &Arc<KafkaConfig>,
    authenticated_before: &Arc<AtomicBool>,
) -> Result<BTreeMap<u32, Claim>, KafkaError> {
    let topic = config.checkpoint_topic();
    let purpose = || Purpose {
        doing: "reading the claims of the workers",
        topic: &topic,
    };
    let uncommitted = TopicConsumer::new(config, Isolation::Uncommitted, purpose(), authenticated_before)?;
    let deadline = Instant::now() + KNOWN_LIMIT;
    let end = loop {
        if let Some(end) = uncommitted.end(PARTITION)? {
            break end;
        }
        if Instant::now() >= deadline {
            return Err(KafkaError::UnknownTopic { topic: topic.clone() });
        }
        std::thread::sleep(KNOWN_PAUSE);
    };
    let committed = TopicConsumer::new(config, Isolation::Committed, purpose(), authenticated_before)?;
    committed.wait_until_visible(PARTITION, end, &|| false)?;
    let mut last = LastClaims::of(&config.name);
    committed.for_each(&[PARTITION], ReadFrom::Beginning, &|| false, |record| {
        last.apply(record.key().unwrap_or_default(), record.payload());
        ControlFlow::Continue(())
    })?;
    last.into_claims()
}
