//! Creation of missing topics, and checks of existing ones.

use std::collections::BTreeSet;
use std::fmt;
use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use rdkafka::types::RDKafkaErrorCode;
use tracing::{info, warn};
use walcast_delivery::{BoxedPortError, Topics, shell};
use walcast_mapper::RecordLimits;

use crate::cluster::{Cluster, CreateFailure, Creation};
use crate::config::KafkaConfig;
use crate::error::KafkaError;
use crate::limits;

/// Value that stands for the broker's default in a request to create a topic.
const BROKER_DEFAULT: i32 = -1;

/// Settings of the checkpoint topic. Every commit writes to the topic and every start reads all of it, and a segment is
/// compacted only when it is full: small segments keep the topic at a few megabytes.
const CHECKPOINT_SETTINGS: [(&str, &str); 3] = [
    ("cleanup.policy", "compact"),
    ("segment.bytes", "16777216"),
    ("min.cleanable.dirty.ratio", "0.1"),
];

/// Settings of the dead letter topic. Compaction keeps every dead letter, since each has a key of its own, until a tombstone
/// resolves it.
const DEAD_LETTER_SETTINGS: [(&str, &str); 1] = [("cleanup.policy", "compact")];

/// Settings of the topic of certificates, which are few, and each of which names the one before.
const VERIFICATION_SETTINGS: [(&str, &str); 2] = [("cleanup.policy", "delete"), ("retention.ms", "-1")];

/// Settings of the topic of replays. Compaction keeps the last record of each key: the request of a replay, and its progress. Every commit
/// of a replay writes to the topic, and each command reads all of it.
const REPLAY_SETTINGS: [(&str, &str); 3] = CHECKPOINT_SETTINGS;

/// Setting of a topic.
pub(crate) const CLEANUP_POLICY: &str = "cleanup.policy";

/// How long a created topic may take to appear in the metadata of the queried broker.
const KNOWN_LIMIT: Duration = Duration::from_secs(30);

/// Interval of these queries.
const KNOWN_PAUSE: Duration = Duration::from_millis(20);

/// Topics of the sink: creates missing ones, and remembers which exist.
pub struct KafkaTopics {
    config: Arc<KafkaConfig>,
    cluster: Cluster,
    known: BTreeSet<String>,
}

impl KafkaTopics {
    /// Creates a client, without connecting.
    ///
    /// # Errors
    /// [`KafkaError::ClientRejected`] when librdkafka rejects the properties.
    pub fn new(config: KafkaConfig) -> Result<Self, KafkaError> {
        let config = Arc::new(config);
        let cluster = Cluster::new(Arc::clone(&config), Arc::default())?;
        Ok(Self {
            config,
            cluster,
            known: BTreeSet::new(),
        })
    }

    async fn ensure_topic(&mut self, topic: &str) -> Result<(), KafkaError> {
        if self.known.contains(topic) {
            return Ok(());
        }
        match self.cluster.partitions(topic).await? {
            Some(found) => self.compare(topic, found),
            None => create(&self.cluster, &self.config, &record_topic(&self.config, topic)).await?,
        }
        self.known.insert(topic.to_owned());
        Ok(())
    }

    async fn ensure_dead_letter_topic(&mut self, topic: &str) -> Result<(), KafkaError> {
        if self.known.contains(topic) {
            return Ok(());
        }
        match self.cluster.partitions(topic).await? {
            Some(_) => warn_about_deletion(&self.cluster, topic).await?,
            None => {
                let creation = Creation {
                    topic,
                    partitions: 1,
                    replication: replication(&self.config),
                    config: DEAD_LETTER_SETTINGS.to_vec(),
                };
                create(&self.cluster, &self.config, &creation).await?;
            }
        }
        self.known.insert(topic.to_owned());
        Ok(())
    }

    /// Logs a number of partitions that differs from the configured one. The topic keeps it: with another number of partitions a
    /// key would move to another partition.
    fn compare(&self, topic: &str, found: usize) {
        if let Some(configured) = self.config.topics.partitions
            && usize::try_from(configured.get()) != Ok(found)
        {
            warn!(
                topic,
                found,
                configured,
                "the topic exists with another number of partitions than configured, and keeps it"
            );
        }
    }
}

impl Topics for KafkaTopics {
    async fn ensure(&mut self, topic: &str) -> Result<(), BoxedPortError> {
        Ok(self.ensure_topic(topic).await?)
    }

    async fn ensure_dead_letters(&mut self, topic: &str) -> Result<(), BoxedPortError> {
        Ok(self.ensure_dead_letter_topic(topic).await?)
    }

    async fn has_records(&mut self, topic: &str) -> Result<bool, BoxedPortError> {
        Ok(self.cluster.has_records(topic).await?)
    }

    async fn limits(&mut self, topic: &str) -> Result<RecordLimits, BoxedPortError> {
        Ok(limits::fetch(&self.cluster, &self.config.properties, topic).await?)
    }

    async fn partitions(&mut self, topic: &str) -> Result<i32, BoxedPortError> {
        let found = self.cluster.partitions(topic).await?;
        let found = found.ok_or_else(|| KafkaError::UnknownTopic {
            topic: topic.to_owned(),
        })?;
        Ok(i32::try_from(found).unwrap_or(i32::MAX))
    }

    async fn is_compacted(&mut self, topic: &str) -> Result<bool, BoxedPortError> {
        Ok(is_compacted(&self.cluster, topic).await?)
    }

    fn forget(&mut self) {
        self.known.clear();
    }
}

impl fmt::Debug for KafkaTopics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KafkaTopics")
            .field("known", &self.known)
            .finish_non_exhaustive()
    }
}

/// Ensures that the checkpoint topic exists, has one partition, and is compacted.
pub(crate) async fn ensure_checkpoint_topic(
    config: &Arc<KafkaConfig>,
    authenticated_before: &Arc<AtomicBool>,
) -> Result<(), KafkaError> {
    let cluster = Cluster::new(Arc::clone(config), Arc::clone(authenticated_before))?;
    let topic = config.checkpoint_topic();
    match cluster.partitions(&topic).await? {
        None => create(&cluster, config, &checkpoint_topic(config, &topic)).await,
        Some(1) => check_policy(&cluster, config, &topic).await,
        Some(found) => Err(KafkaError::CheckpointPartitions { topic, found }),
    }
}

/// Whether an existing topic is compacted. False where its settings may not be read.
pub(crate) async fn is_compacted(cluster: &Cluster, topic: &str) -> Result<bool, KafkaError> {
    match cluster.setting(topic, CLEANUP_POLICY).await {
        Ok(policy) => Ok(policy.is_some_and(|policy| compacts(&policy))),
        // DescribeConfigs is a separate permission, which nothing else here needs.
        Err(error @ KafkaError::Unauthorized { .. }) => {
            warn!(topic, %error, "the topic's cleanup.policy is unknown: a record without a key is noticed only when the broker rejects it");
            Ok(false)
        }
        Err(error) => Err(error),
    }
}

/// Whether a cleanup policy, such as `compact,delete`, compacts.
pub(crate) fn compacts(policy: &str) -> bool {
    policy.split(',').any(|policy| policy.trim() == "compact")
}

/// Logs a warning when the dead letter topic is not compacted: retention may be intended by the operator.
async fn warn_about_deletion(cluster: &Cluster, topic: &str) -> Result<(), KafkaError> {
    match cluster.setting(topic, "cleanup.policy").await {
        Ok(Some(policy)) if policy != "compact" => {
            warn!(
                topic,
                policy, "dead letters are deleted by retention: set cleanup.policy=compact to keep them"
            );
            Ok(())
        }
        Ok(_) | Err(KafkaError::Unauthorized { .. }) => Ok(()),
        Err(error) => Err(error),
    }
}

pub(crate) async fn check_policy(
    cluster: &Cluster,
    config: &KafkaConfig,
    topic: &str,
) -> Result<(), KafkaError> {
    match cluster.setting(topic, "cleanup.policy").await {
        Ok(Some(policy)) if policy != "compact" => Err(KafkaError::CheckpointPolicy {
            topic: topic.to_owned(),
            found: policy,
            brokers: config.brokers.clone(),
        }),
        Ok(_) => Ok(()),
        // DescribeConfigs is a separate permission, which nothing else here needs.
        Err(error @ KafkaError::Unauthorized { .. }) => {
            warn!(topic, error = %error, "cannot check that the checkpoint topic is compacted");
            Ok(())
        }
        Err(error) => Err(error),
    }
}

pub(crate) fn checkpoint_topic<'a>(config: &KafkaConfig, topic: &'a str) -> Creation<'a> {
    Creation {
        topic,
        partitions: 1,
        replication: replication(config),
        config: CHECKPOINT_SETTINGS.to_vec(),
    }
}

pub(crate) fn verification_topic_creation<'a>(config: &KafkaConfig, topic: &'a str) -> Creation<'a> {
    Creation {
        topic,
        partitions: 1,
        replication: replication(config),
        config: VERIFICATION_SETTINGS.to_vec(),
    }
}

pub(crate) fn replay_topic_creation<'a>(config: &KafkaConfig, topic: &'a str) -> Creation<'a> {
    Creation {
        topic,
        partitions: 1,
        replication: replication(config),
        config: REPLAY_SETTINGS.to_vec(),
    }
}

/// Logs a warning when the topic of replays is not compacted: a replay whose request or progress retention has removed would be sent again.
/// A topic whose settings cannot be read now is not known to be wrong.
pub(crate) async fn warn_about_forgotten_replays(cluster: &Cluster, topic: &str) {
    if let Ok(Some(policy)) = cluster.setting(topic, CLEANUP_POLICY).await
        && policy != "compact"
    {
        warn!(
            topic,
            policy,
            "replays are forgotten when retention deletes their progress: set cleanup.policy=compact to keep it"
        );
    }
}

/// Ensures that a topic exists, whichever its settings are.
pub(crate) async fn ensure_created(
    cluster: &Cluster,
    config: &KafkaConfig,
    creation: &Creation<'_>,
) -> Result<(), KafkaError> {
    match cluster.partitions(creation.topic).await? {
        Some(_) => Ok(()),
        None => create(cluster, config, creation).await,
    }
}

pub(crate) fn record_topic<'a>(config: &'a KafkaConfig, topic: &'a str) -> Creation<'a> {
    let partitions = config
        .topics
        .partitions
        .and_then(|count| i32::try_from(count.get()).ok());
    let settings = config
        .topics
        .config
        .iter()
        .map(|(key, value)| (key.as_str(), value.as_str()));
    Creation {
        topic,
        partitions: partitions.unwrap_or(BROKER_DEFAULT),
        replication: replication(config),
        config: settings.collect(),
    }
}

fn replication(config: &KafkaConfig) -> i32 {
    config
        .topics
        .replication_factor
        .map_or(BROKER_DEFAULT, |count| i32::from(count.get()))
}

async fn create(cluster: &Cluster, config: &KafkaConfig, creation: &Creation<'_>) -> Result<(), KafkaError> {
    let topic = creation.topic.to_owned();
    if !config.topics.auto_create {
        return Err(KafkaError::TopicNotCreated {
            topic,
            command: command(config, creation),
        });
    }
    cluster
        .create(creation, false)
        .await
        .map_err(|failure| match failure {
            CreateFailure::Failed(error) => error,
            CreateFailure::Rejected(code) => KafkaError::TopicRejected {
                topic,
                reason: code.to_string(),
                command: command(config, creation),
                lacks_brokers: code == RDKafkaErrorCode::InvalidReplicationFactor,
                is_refused: refuses_topic(code),
            },
        })?;
    info!(topic = creation.topic, "topic created");
    wait_until_known(cluster, creation.topic).await
}

/// Whether a code refuses the topic itself: its name is invalid or collides with that of another topic, which has a dot where this one has
/// an underscore, or a policy of the brokers rejects it.
pub(crate) fn refuses_topic(code: RDKafkaErrorCode) -> bool {
    matches!(
        code,
        RDKafkaErrorCode::InvalidTopic | RDKafkaErrorCode::PolicyViolation
    )
}

async fn wait_until_known(cluster: &Cluster, topic: &str) -> Result<(), KafkaError> {
    let waiting = async {
        while cluster.partitions(topic).await?.is_none() {
            tokio::time::sleep(KNOWN_PAUSE).await;
        }
        Ok(())
    };
    tokio::time::timeout(KNOWN_LIMIT, waiting)
        .await
        .unwrap_or_else(|_elapsed| {
            Err(KafkaError::UnknownTopic {
                topic: topic.to_owned(),
            })
        })
}

/// Command by which an operator creates a topic.
pub(crate) fn command(config: &KafkaConfig, creation: &Creation<'_>) -> String {
    let mut text = format!(
        "kafka-topics.sh {} --create {}",
        shell::option("--bootstrap-server", &config.brokers),
        shell::option("--topic", creation.topic)
    );
    let mut add = |option: &str, value: &dyn fmt::Display| {
        write!(text, " {option} {value}").expect("a string takes any text");
    };
    if creation.partitions != BROKER_DEFAULT {
        add("--partitions", &creation.partitions);
    }
    if creation.replication != BROKER_DEFAULT {
        add("--replication-factor", &creation.replication);
    }
    for (key, value) in &creation.config {
        add("--config", &shell::quoted(&format!("{key}={value}")));
    }
    text
}
