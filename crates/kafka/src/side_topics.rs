//! Side topics: topics that a replay fills, each with the partitions of the topic whose records it gets.

use std::fmt;
use std::sync::Arc;

use tracing::warn;

use crate::cluster::{Cluster, Creation, TopicShape};
use crate::config::KafkaConfig;
use crate::error::KafkaError;
use crate::replay_copy::HEADER_BYTES_MAX;
use crate::topics::ensure_created;

/// Largest value of `max.message.bytes`.
const MESSAGE_BYTES_MAX: u64 = 2_147_483_647;

/// Settings of a side topic. It keeps what it gets: the timestamps are those of the originals, so that a limit of time would remove
/// records of long ago at once, and compaction would leave one record of each key.
const SETTINGS: [(&str, &str); 4] = [
    ("cleanup.policy", "delete"),
    ("retention.ms", "-1"),
    ("retention.bytes", "-1"),
    ("message.timestamp.type", "CreateTime"),
];

/// State of a side topic before a replay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SideTopic {
    /// It does not exist.
    Missing,
    /// It exists, and records were never written to it.
    Empty,
    /// Records were written to it.
    InUse,
    /// It has another number of partitions than the original.
    OtherPartitions {
        /// Number of its partitions.
        found: usize,
        /// Number of those of the original.
        original: usize,
    },
}

/// Client that looks up and creates side topics.
pub struct SideTopics {
    config: Arc<KafkaConfig>,
    cluster: Cluster,
}

impl SideTopics {
    /// Creates a client, without connecting.
    ///
    /// # Errors
    /// [`KafkaError::ClientRejected`] when librdkafka rejects the properties.
    pub fn new(config: &KafkaConfig) -> Result<Self, KafkaError> {
        let config = Arc::new(config.clone());
        let cluster = Cluster::new(Arc::clone(&config), Arc::default())?;
        Ok(Self { config, cluster })
    }

    /// State of a side topic.
    ///
    /// # Errors
    /// No broker answers, or access is denied.
    pub async fn state(&self, original: &str, side: &str) -> Result<SideTopic, KafkaError> {
        let original = self.shape(original).await?.partitions;
        let Some(found) = self.cluster.partitions(side).await? else {
            return Ok(SideTopic::Missing);
        };
        if self.cluster.has_records(side).await? {
            return Ok(SideTopic::InUse);
        }
        Ok(match found == original {
            true => SideTopic::Empty,
            false => SideTopic::OtherPartitions { found, original },
        })
    }

    /// Creates a side topic, unless it exists: with the partitions and the replication factor of the original, and with those of its
    /// settings that decide which records it takes. Settings by which an existing one may not keep the records are logged.
    ///
    /// # Errors
    /// No broker answers, access is denied, the topic is rejected, or the configuration forbids creating topics.
    pub async fn create(&self, original: &str, side: &str) -> Result<(), KafkaError> {
        if self.cluster.partitions(side).await?.is_some() {
            return self.warn_about_settings(side).await;
        }
        let shape = self.shape(original).await?;
        let accepted = accepting(&self.cluster, original).await?;
        let mut settings = SETTINGS.to_vec();
        settings.extend(accepted.iter().map(|(key, value)| (*key, value.as_str())));
        let creation = Creation {
            topic: side,
            partitions: i32::try_from(shape.partitions).unwrap_or(i32::MAX),
            replication: i32::try_from(shape.replicas).unwrap_or(i32::MAX),
            config: settings,
        };
        ensure_created(&self.cluster, &self.config, &creation).await
    }

    /// Logs a warning for each setting by which an existing side topic may not keep what it gets.
    async fn warn_about_settings(&self, side: &str) -> Result<(), KafkaError> {
        for (setting, wanted) in SETTINGS {
            let found = self.setting(side, setting).await?;
            if let Some(found) = found.filter(|found| found != wanted) {
                warn!(
                    topic = side,
                    setting,
                    found,
                    wanted,
                    "the side topic exists with another setting than a replay gives it, and may not keep the records with their times"
                );
            }
        }
        Ok(())
    }

    async fn shape(&self, topic: &str) -> Result<TopicShape, KafkaError> {
        let shape = self.cluster.shape(topic).await?;
        shape.ok_or_else(|| KafkaError::UnknownTopic {
            topic: topic.to_owned(),
        })
    }

    async fn setting(&self, topic: &str, setting: &str) -> Result<Option<String>, KafkaError> {
        readable(&self.cluster, topic, setting).await
    }
}

/// Settings of a topic that decide which records it takes, for a topic that takes its records with a header more.
pub(crate) async fn accepting(
    cluster: &Cluster,
    original: &str,
) -> Result<Vec<(&'static str, String)>, KafkaError> {
    let replicas = readable(cluster, original, "min.insync.replicas").await?;
    let largest = readable(cluster, original, "max.message.bytes").await?;
    let largest = largest
        .and_then(|bytes| bytes.parse::<u64>().ok())
        .map(|bytes| bytes.saturating_add(HEADER_BYTES_MAX).min(MESSAGE_BYTES_MAX))
        .map(|bytes| bytes.to_string());
    let mut settings = Vec::new();
    settings.extend(replicas.map(|value| ("min.insync.replicas", value)));
    settings.extend(largest.map(|value| ("max.message.bytes", value)));
    Ok(settings)
}

/// Value of a setting; `None` where the user may not read it.
async fn readable(cluster: &Cluster, topic: &str, setting: &str) -> Result<Option<String>, KafkaError> {
    match cluster.setting(topic, setting).await {
        Err(KafkaError::Unauthorized { .. }) => Ok(None),
        other => other,
    }
}

impl fmt::Debug for SideTopics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SideTopics").finish_non_exhaustive()
    }
}
