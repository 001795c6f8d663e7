//! Topic of the snapshots of a topic of events: snapshots, and the offsets up to which events are folded, in one Kafka transaction.
//!
//! The offsets are stored in the topic of replays, under a key that no replay has. The topic of snapshots alone would not do: compaction
//! removes tombstones, and with them the offsets that they show.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tracing::debug;

use super::config::{StreamFold, StreamSnapshotConfig};
use super::error::StreamSnapshotError;
use crate::checkpoint::CheckpointRecord;
use crate::cluster::{Cluster, Creation};
use crate::config::{KafkaConfig, replay_topic};
use crate::error::KafkaError;
use crate::producer_session::ProducerSession;
use crate::replay_copy::RecordCopy;
use crate::replay_sink::of_copies;
use crate::side_topics::accepting;
use crate::topic_consumer::ReadFrom;
use crate::topic_reader::{TopicSelection, last_values_in};
use crate::topics::{ensure_created, replay_topic_creation, warn_about_forgotten_replays};

/// Version of the stored form.
const VERSION: u32 = 1;

/// Offsets up to which events are folded, as they are stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Stored {
    version: u32,
    fold: StreamFold,
    /// Offset of the first event of each partition that no snapshot includes.
    next: BTreeMap<i32, i64>,
}

/// Producer of the snapshots of one topic. After an error it is not used again.
pub(super) struct SnapshotStore {
    key: String,
    fold: StreamFold,
    session: Option<ProducerSession>,
}

impl SnapshotStore {
    /// Fences another process, creates the topics that are missing, and reads the offsets up to which events are folded; `None` if none
    /// were committed.
    pub(super) async fn open(
        kafka: &KafkaConfig,
        config: &StreamSnapshotConfig,
    ) -> Result<(Self, Option<BTreeMap<i32, i64>>), StreamSnapshotError> {
        let own = Arc::new(of_copies(
            kafka,
            format!("{}.snapshots-{}", kafka.name, config.topic),
        ));
        let cluster = Cluster::new(Arc::clone(&own), Arc::default())?;
        let existed = ensure_snapshots(&cluster, &own, config).await?;
        let topic = replay_topic(&kafka.topic_prefix);
        ensure_created(&cluster, &own, &replay_topic_creation(&own, &topic)).await?;
        warn_about_forgotten_replays(&cluster, &topic).await;
        let of_commits = topic.clone();
        let opening = tokio::task::spawn_blocking(move || {
            let session = ProducerSession::new(&own, of_commits, &Arc::default())?;
            session.fence_predecessors(&|| false)?;
            Ok::<_, KafkaError>(session)
        });
        let session = opening.await.map_err(|_ended| KafkaError::Stopped)??;
        let mut store = Self {
            key: key(&kafka.name, &config.topic),
            fold: config.fold,
            session: Some(session),
        };
        // Another process could write the first snapshots until it was fenced.
        let has_snapshots = existed && cluster.has_records(&config.snapshots).await?;
        let selection = TopicSelection {
            topic,
            partition: None,
            from: ReadFrom::Beginning,
            doing: "reading the offsets of snapshots of streams",
        };
        let own_key = store.key.clone().into_bytes();
        let mut found = last_values_in(kafka.clone(), selection, |key| key == own_key).await?;
        let next = match found.remove(&own_key) {
            Some(_) if !has_snapshots => {
                // The topic was deleted to begin again. The offsets of before must not outlive a transaction that is aborted.
                store.commit(Vec::new(), &BTreeMap::new()).await?;
                Some(BTreeMap::new())
            }
            Some(value) => Some(store.offsets(config, &value)?),
            None => None,
        };
        Ok((store, next))
    }

    fn offsets(
        &self,
        config: &StreamSnapshotConfig,
        value: &[u8],
    ) -> Result<BTreeMap<i32, i64>, StreamSnapshotError> {
        let unreadable = |source| KafkaError::CheckpointUnreadable {
            key: self.key.clone(),
            source,
        };
        let stored: Stored = serde_json::from_slice(value).map_err(unreadable)?;
        if stored.version > VERSION {
            return Err(KafkaError::CheckpointVersion {
                found: stored.version,
                known: VERSION,
            }
            .into());
        }
        if stored.fold != config.fold {
            return Err(wrong(config, "was made with another fold"));
        }
        Ok(stored.next)
    }

    /// Sends snapshots and the offsets of the events that they include, in one Kafka transaction.
    pub(super) async fn commit(
        &mut self,
        snapshots: Vec<RecordCopy>,
        next: &BTreeMap<i32, i64>,
    ) -> Result<(), KafkaError> {
        let stored = Stored {
            version: VERSION,
            fold: self.fold,
            next: next.clone(),
        };
        let value = serde_json::to_string(&stored).map_err(|source| KafkaError::CheckpointUnreadable {
            key: self.key.clone(),
            source,
        })?;
        let records = vec![CheckpointRecord {
            key: self.key.clone(),
            value: Some(value),
        }];
        let mut session = self.session.take().ok_or(KafkaError::NotOpen {
            doing: "sending snapshots of streams",
        })?;
        let sending = tokio::task::spawn_blocking(move || {
            let sent = session
                .write_copies(&snapshots, &|| false)
                .and_then(|()| session.commit(&records, &|| false));
            if sent.is_err()
                && let Err(error) = session.abort(&|| false)
            {
                debug!(%error, "the transaction was not aborted; the next producer of the snapshots ends it");
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

impl Drop for SnapshotStore {
    fn drop(&mut self) {
        if let Some(session) = self.session.take() {
            close(session);
        }
    }
}

/// Ends a producer, which may block.
fn close(session: ProducerSession) {
    let closing = std::thread::Builder::new().name("kafka-closing".to_owned());
    // Without a thread the producer is dropped with the closure.
    drop(closing.spawn(move || drop(session)));
}

/// Creates the topic of snapshots, with the partitions of the topic of events, unless it exists. Whether it existed.
async fn ensure_snapshots(
    cluster: &Cluster,
    kafka: &KafkaConfig,
    config: &StreamSnapshotConfig,
) -> Result<bool, StreamSnapshotError> {
    let Some(events) = cluster.shape(&config.topic).await? else {
        return Err(KafkaError::UnknownTopic {
            topic: config.topic.clone(),
        }
        .into());
    };
    if let Some(found) = cluster.partitions(&config.snapshots).await? {
        if found != events.partitions {
            let problem = format!(
                "has {found} partitions, and {} has {}",
                config.topic, events.partitions
            );
            return Err(wrong(config, problem));
        }
        let policy = cluster.setting(&config.snapshots, "cleanup.policy").await;
        // A topic whose settings cannot be read is not known to be wrong.
        if let Ok(Some(policy)) = policy
            && policy != "compact"
        {
            let problem =
                format!("has cleanup.policy={policy}, and retention would delete snapshots: set compact, or");
            return Err(wrong(config, problem));
        }
        return Ok(true);
    }
    let accepted = accepting(cluster, &config.topic).await?;
    let mut settings = vec![("cleanup.policy", "compact")];
    settings.extend(accepted.iter().map(|(key, value)| (*key, value.as_str())));
    let creation = Creation {
        topic: &config.snapshots,
        partitions: i32::try_from(events.partitions).unwrap_or(i32::MAX),
        replication: i32::try_from(events.replicas).unwrap_or(i32::MAX),
        config: settings,
    };
    ensure_created(cluster, kafka, &creation).await?;
    Ok(false)
}

fn wrong(config: &StreamSnapshotConfig, problem: impl Into<String>) -> StreamSnapshotError {
    StreamSnapshotError::Topic {
        snapshots: config.snapshots.clone(),
        problem: problem.into(),
    }
}

/// Key of the offsets. The key of a replay begins with the name of its connector and a slash, and no name contains `#`.
fn key(connector: &str, topic: &str) -> String {
    format!("{connector}#stream-snapshots/{topic}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_are_stored_with_their_fold() {
        let stored = Stored {
            version: VERSION,
            fold: StreamFold::MergePatch,
            next: [(0, 7), (1, 0)].into(),
        };
        let json = r#"{"version":1,"fold":"merge_patch","next":{"0":7,"1":0}}"#;
        assert_eq!(serde_json::to_string(&stored).unwrap(), json);
        assert_eq!(serde_json::from_str::<Stored>(json).unwrap(), stored);
    }

    #[test]
    fn key_of_offsets_is_none_of_a_replay() {
        assert_eq!(key("shop", "shop.events"), "shop#stream-snapshots/shop.events");
    }
}
