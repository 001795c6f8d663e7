//! Preconditions on Kafka and the schema registry, checked without disturbing a running instance.
//!
//! Transactions are not tried: initializing them would fence the instance that runs under the same name.

use std::sync::Arc;

use rdkafka::types::RDKafkaErrorCode;
use walcast_delivery::{Guarantee, Precondition};

use crate::checkpoint_store::KafkaCheckpointStore;
use crate::cluster::{Cluster, CreateFailure, Creation};
use crate::config::{KafkaConfig, RegistryConfig};
use crate::error::KafkaError;
use crate::producer_session::ProducerSession;
use crate::registry::{Registry, RegistryError};
use crate::topics;

/// Checks brokers, topics and registry. `topics` are the topics that will be written. Nothing is created or fenced.
pub async fn preconditions(
    config: &KafkaConfig,
    registry: Option<&RegistryConfig>,
    topics: &[String],
) -> Vec<Precondition> {
    let shared = Arc::new(config.clone());
    let mut found = vec![finding("kafka client", client(&shared))];
    let cluster = match Cluster::new(Arc::clone(&shared), Arc::default()) {
        Ok(cluster) => cluster,
        Err(error) => return vec![finding("kafka client", Err(error))],
    };
    let brokers = cluster.brokers().await.map(|brokers| brokers.join(", "));
    let is_reachable = brokers.is_ok();
    found.push(finding("kafka brokers", brokers));
    if is_reachable {
        found.push(finding("checkpoint topic", checkpoint(&cluster, config).await));
        for topic in topics {
            found.push(finding(
                &format!("topic {topic}"),
                record_topic(&cluster, config, topic).await,
            ));
        }
    }
    if let Some(registry) = registry {
        found.push(finding("schema registry", registry_answers(registry).await));
    }
    found
}

fn finding<E: std::error::Error + Send + Sync + 'static>(
    name: &str,
    result: Result<String, E>,
) -> Precondition {
    match result {
        Ok(found) => Precondition::holds(name, found),
        Err(error) => Precondition::error(name, error),
    }
}

fn client(config: &Arc<KafkaConfig>) -> Result<String, KafkaError> {
    ProducerSession::new(config, config.checkpoint_topic(), &Arc::default())?;
    Ok(match config.guarantee {
        Guarantee::ExactlyOnce => format!("exactly once as {}", config.transactional_id()),
        Guarantee::AtLeastOnce => "at least once".to_owned(),
    })
}

async fn checkpoint(cluster: &Cluster, config: &KafkaConfig) -> Result<String, KafkaError> {
    let topic = config.checkpoint_topic();
    match cluster.partitions(&topic).await? {
        None => check_creation(cluster, config, &topics::checkpoint_topic(config, &topic)).await,
        Some(1) => {
            topics::check_policy(cluster, config, &topic).await?;
            let log = KafkaCheckpointStore::new(config.clone()).log().await?;
            Ok(match log.current {
                Some(checkpoint) => format!("{topic}, checkpoint at {}", checkpoint.end_lsn),
                None => format!("{topic}, no checkpoint yet"),
            })
        }
        Some(found) => Err(KafkaError::CheckpointPartitions { topic, found }),
    }
}

async fn record_topic(cluster: &Cluster, config: &KafkaConfig, topic: &str) -> Result<String, KafkaError> {
    match cluster.partitions(topic).await? {
        Some(found) => Ok(format!("exists, partitions: {found}")),
        None => check_creation(cluster, config, &topics::record_topic(config, topic)).await,
    }
}

async fn check_creation(
    cluster: &Cluster,
    config: &KafkaConfig,
    creation: &Creation<'_>,
) -> Result<String, KafkaError> {
    let (topic, command) = (creation.topic.to_owned(), topics::command(config, creation));
    if !config.topics.auto_create {
        return Err(KafkaError::TopicNotCreated { topic, command });
    }
    match cluster.create(creation, true).await {
        Ok(()) => Ok("will be created".to_owned()),
        Err(CreateFailure::Failed(error)) => Err(error),
        Err(CreateFailure::Rejected(code)) => Err(KafkaError::TopicRejected {
            topic,
            reason: code.to_string(),
            command,
            lacks_brokers: code == RDKafkaErrorCode::InvalidReplicationFactor,
            is_refused: topics::refuses_topic(code),
        }),
    }
}

async fn registry_answers(config: &RegistryConfig) -> Result<String, RegistryError> {
    Registry::new(config)?.probe().await?;
    Ok(format!("{} answers", config.url))
}
