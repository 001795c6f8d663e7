//! Sink of a replay: copies of records, committed together with the progress of the replay.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tracing::debug;
use walcast_delivery::{Guarantee, ReplayProgress};

use crate::checkpoint::CheckpointRecord;
use crate::clients;
use crate::cluster::Cluster;
use crate::config::{KafkaConfig, replay_topic};
use crate::error::KafkaError;
use crate::producer_session::ProducerSession;
use crate::replay_copy::{HEADER_BYTES_MAX, RecordCopy};
use crate::replay_state::{LastReplays, Replay, StoredReplay, progress_record, replay_record};
use crate::topic_consumer::ReadFrom;
use crate::topic_reader::{TopicReader, TopicSelection};
use crate::topics::{ensure_created, replay_topic_creation, warn_about_forgotten_replays};

/// Longest time in which the broker aborts the open transaction of a producer of copies that was killed and is not resumed. Until then consumers of
/// the topics that it writes to wait.
const TRANSACTION_LIMIT: Duration = Duration::from_secs(60);

/// Properties that may not exceed `transaction.timeout.ms`.
const RECORD_TIMEOUTS: [&str; 3] = ["message.timeout.ms", "delivery.timeout.ms", "socket.timeout.ms"];

/// Largest value of `message.max.bytes` of librdkafka.
const CLIENT_BYTES_MAX: u64 = 1_000_000_000;

/// How long brokers may take until they know the topic of replays.
const KNOWN_LIMIT: Duration = Duration::from_secs(10);

/// Pause between two attempts to read it.
const KNOWN_PAUSE: Duration = Duration::from_millis(100);

/// Description of what is done, for errors.
const DOING: &str = "reading the topic of replays";

/// Transactional producer of one replay. It shares neither a transactional id nor a topic with the connector.
///
/// [`ReplaySink::open`] fences another process with the same replay. After an error the sink must be opened again.
pub struct ReplaySink {
    connector: String,
    name: String,
    session: Option<ProducerSession>,
}

impl ReplaySink {
    /// Fences another process with the same replay, which ends its open transaction, and reads what is stored of the replay. The topic of
    /// replays is created if it does not exist.
    ///
    /// # Errors
    /// No broker answers, access is denied, or the topic cannot be created or read.
    pub async fn open(config: &KafkaConfig, name: &str) -> Result<(Self, Option<StoredReplay>), KafkaError> {
        let own = Arc::new(of_copies(config, format!("{}.replay-{name}", config.name)));
        let topic = replay_topic(&config.topic_prefix);
        let cluster = Cluster::new(Arc::clone(&own), Arc::default())?;
        ensure_created(&cluster, &own, &replay_topic_creation(&own, &topic)).await?;
        warn_about_forgotten_replays(&cluster, &topic).await;
        let opening = tokio::task::spawn_blocking(move || {
            let session = ProducerSession::new(&own, topic, &Arc::default())?;
            session.fence_predecessors(&|| false)?;
            Ok::<_, KafkaError>(session)
        });
        let session = opening.await.map_err(|_ended| KafkaError::Stopped)??;
        let sink = Self {
            connector: config.name.clone(),
            name: name.to_owned(),
            session: Some(session),
        };
        let mut stored = read_existing(config).await?.into_iter();
        let stored = stored.find(|stored| stored.replay.name == name);
        Ok((sink, stored))
    }

    /// Stores a new replay, with nothing sent.
    ///
    /// # Errors
    /// The commit fails, or another process has taken over.
    pub async fn begin(&mut self, replay: &Replay) -> Result<(), KafkaError> {
        let progress = replay.begun();
        let records = vec![
            replay_record(&self.connector, replay)?,
            progress_record(&self.connector, &self.name, &progress)?,
        ];
        self.transaction(Vec::new(), records).await
    }

    /// Sends copies in their order, and the progress that covers them, in one Kafka transaction.
    ///
    /// # Errors
    /// The commit fails or is in doubt, or another process has taken over: the progress is then read by [`ReplaySink::open`].
    pub async fn commit(
        &mut self,
        copies: Vec<RecordCopy>,
        progress: &ReplayProgress,
    ) -> Result<(), KafkaError> {
        let records = vec![progress_record(&self.connector, &self.name, progress)?];
        self.transaction(copies, records).await
    }

    async fn transaction(
        &mut self,
        copies: Vec<RecordCopy>,
        records: Vec<CheckpointRecord>,
    ) -> Result<(), KafkaError> {
        let mut session = self.session.take().ok_or(KafkaError::NotOpen {
            doing: "sending records",
        })?;
        let sending = tokio::task::spawn_blocking(move || {
            let sent = session
                .write_copies(&copies, &|| false)
                .and_then(|()| session.commit(&records, &|| false));
            if sent.is_err()
                && let Err(error) = session.abort(&|| false)
            {
                debug!(%error, "the transaction was not aborted; the next start of the replay ends it");
            }
            (sent, session)
        });
        let (sent, session) = sending.await.map_err(|_ended| KafkaError::Stopped)?;
        match sent {
            Ok(()) => self.session = Some(session),
            Err(_) => close(session),
        }
        sent
    }
}

/// Ends a producer, which may block.
fn close(session: ProducerSession) {
    let closing = std::thread::Builder::new().name("kafka-closing".to_owned());
    // Without a thread the producer is dropped with the closure.
    drop(closing.spawn(move || drop(session)));
}

impl Drop for ReplaySink {
    fn drop(&mut self) {
        if let Some(session) = self.session.take() {
            close(session);
        }
    }
}

impl fmt::Debug for ReplaySink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReplaySink")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// Replays of a connector, in the order of their names, as they are committed now. Empty when the topic does not exist.
///
/// # Errors
/// No broker answers, access is denied, or a record cannot be decoded.
pub async fn stored_replays(config: &KafkaConfig) -> Result<Vec<StoredReplay>, KafkaError> {
    let reader = TopicReader::of_committed(config.clone(), selection(config));
    match read(reader, &config.name).await {
        Err(KafkaError::UnknownTopic { .. }) => Ok(Vec::new()),
        other => other,
    }
}

/// Reads the topic of replays, which exists: a broker that does not know it yet is no evidence that it holds nothing. A transaction of
/// another replay may be open: its end is awaited, so that no record is behind it.
async fn read_existing(config: &KafkaConfig) -> Result<Vec<StoredReplay>, KafkaError> {
    let deadline = Instant::now() + KNOWN_LIMIT;
    loop {
        let reader = TopicReader::start(config.clone(), selection(config));
        match read(reader, &config.name).await {
            Err(KafkaError::UnknownTopic { .. }) if Instant::now() < deadline => {
                tokio::time::sleep(KNOWN_PAUSE).await;
            }
            other => return other,
        }
    }
}

async fn read(mut reader: TopicReader, connector: &str) -> Result<Vec<StoredReplay>, KafkaError> {
    let mut last = LastReplays::of(connector);
    while let Some(record) = reader.next().await? {
        last.apply(&record.key.unwrap_or_default(), record.value);
    }
    last.into_replays()
}

fn selection(config: &KafkaConfig) -> TopicSelection {
    TopicSelection {
        topic: replay_topic(&config.topic_prefix),
        partition: None,
        from: ReadFrom::Beginning,
        doing: DOING,
    }
}

/// Configuration of a producer of copies of records. No connector has its transactional id if its name contains a dot, since no connector's
/// name contains one.
pub(crate) fn of_copies(config: &KafkaConfig, name: String) -> KafkaConfig {
    let is_set = |key: &&str| config.properties.value(key).is_some();
    let transaction_timeout = match RECORD_TIMEOUTS.iter().any(is_set) {
        true => config.transaction_timeout,
        false => config.transaction_timeout.min(TRANSACTION_LIMIT),
    };
    // A record that the connector could just send is larger by the headers of the copy.
    let record_bytes_max = clients::record_bytes_max(&config.properties).saturating_add(HEADER_BYTES_MAX);
    let properties = config.properties.with(
        "message.max.bytes",
        record_bytes_max.min(CLIENT_BYTES_MAX).to_string(),
    );
    KafkaConfig {
        name,
        guarantee: Guarantee::ExactlyOnce,
        transaction_timeout,
        properties,
        ..config.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::properties::KafkaProperties;

    fn of(properties: &[(&str, &str)]) -> KafkaConfig {
        let owned = properties
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        let config = KafkaConfig {
            properties: KafkaProperties::new(owned.collect()).unwrap(),
            ..KafkaConfig::unreachable()
        };
        of_copies(&config, "shop.replay-fix".to_owned())
    }

    #[test]
    fn a_record_may_be_larger_than_its_original_by_the_header() {
        let limit = |properties: &[(&str, &str)]| clients::record_bytes_max(&of(properties).properties);
        assert_eq!(limit(&[]), 1_001_024);
        assert_eq!(limit(&[("message.max.bytes", "20000")]), 21_024);
        assert_eq!(limit(&[("message.max.bytes", "1000000000")]), CLIENT_BYTES_MAX);
    }
}
