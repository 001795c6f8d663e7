//! What must hold before the connector can run, as far as it can be seen without disturbing a running instance.
//!
//! Transactions are not tried: initialising them would fence the instance that runs under the same name.

use std::sync::Arc;

use rdkafka::types::RDKafkaErrorCode;
use walcast_delivery::Guarantee;

use crate::cluster::{Cluster, CreateFailure};
use crate::registry::Registry;
use crate::session::Session;
use crate::{CheckpointReader, KafkaConfig, KafkaError, RegistryConfig, topics};

/// One thing that must hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Precondition {
    /// What it is, such as `kafka brokers`.
    pub name: String,
    /// Whether it holds.
    pub outcome: Outcome,
}

/// Whether a precondition holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It holds; with what was seen.
    Holds(String),
    /// It does not; with what is wrong and how to put it right.
    Fails(String),
}

/// Looks at brokers, topics and registry. `topics` are those that will be written. Nothing is created or fenced.
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
    let answered = brokers.is_ok();
    found.push(finding("kafka brokers", brokers));
    if answered {
        found.push(finding("checkpoint topic", checkpoint(&cluster, config).await));
        for topic in topics {
            found.push(finding(
                &format!("topic {topic}"),
                record_topic(&cluster, config, topic).await,
            ));
        }
    }
    if let Some(registry) = registry {
        found.push(finding("schema registry", registered(registry).await));
    }
    found
}

fn finding<E: std::error::Error>(name: &str, result: Result<String, E>) -> Precondition {
    let outcome = match result {
        Ok(seen) => Outcome::Holds(seen),
        Err(error) => Outcome::Fails(error.to_string()),
    };
    Precondition {
        name: name.to_owned(),
        outcome,
    }
}

fn client(config: &Arc<KafkaConfig>) -> Result<String, KafkaError> {
    Session::new(config, &Arc::default())?;
    Ok(match config.guarantee {
        Guarantee::ExactlyOnce => format!("exactly once as {}", config.transactional_id()),
        Guarantee::AtLeastOnce => "at least once".to_owned(),
    })
}

async fn checkpoint(cluster: &Cluster, config: &KafkaConfig) -> Result<String, KafkaError> {
    let topic = config.checkpoint_topic();
    match cluster.partitions(&topic).await? {
        None => could_create(cluster, config, &topics::checkpoint_topic(config, &topic)).await,
        Some(1) => {
            topics::check_policy(cluster, config, &topic).await?;
            let log = CheckpointReader::new(config.clone()).read().await?;
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
        None => could_create(cluster, config, &topics::record_topic(config, topic)).await,
    }
}

async fn could_create(
    cluster: &Cluster,
    config: &KafkaConfig,
    creation: &crate::cluster::Creation<'_>,
) -> Result<String, KafkaError> {
    let (topic, command) = (creation.topic.to_owned(), topics::command(config, creation));
    if !config.topics.create {
        return Err(KafkaError::TopicNotCreated { topic, command });
    }
    match cluster.create(creation, true).await {
        Ok(()) => Ok("will be created".to_owned()),
        Err(CreateFailure::Failed(error)) => Err(error),
        Err(CreateFailure::Refused(code)) => Err(KafkaError::TopicRefused {
            topic,
            reason: code.to_string(),
            command,
            lacks_brokers: code == RDKafkaErrorCode::InvalidReplicationFactor,
        }),
    }
}

async fn registered(config: &RegistryConfig) -> Result<String, crate::RegistryError> {
    Registry::new(config)?.probe().await?;
    Ok(format!("{} answers", config.url))
}
