//! Compaction of topics, which take no record without a key then.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::cluster::Cluster;
use crate::config::KafkaConfig;
use crate::error::KafkaError;
use crate::topics::{CLEANUP_POLICY, compacts, is_compacted};

/// Those of `topics` that are compacted, or will be once they are created as configured.
///
/// # Errors
/// Kafka cannot be reached, or rejects a request. A topic whose settings may not be read does not count as compacted.
pub async fn compacted_topics(
    config: &KafkaConfig,
    topics: &BTreeSet<String>,
) -> Result<BTreeSet<String>, KafkaError> {
    let cluster = Cluster::new(Arc::new(config.clone()), Arc::default())?;
    let configured = config.topics.config.get(CLEANUP_POLICY);
    let will_be = configured.is_some_and(|policy| compacts(policy));
    let mut compacted = BTreeSet::new();
    for topic in topics {
        let is = match cluster.partitions(topic).await? {
            Some(_) => is_compacted(&cluster, topic).await?,
            None => will_be,
        };
        if is {
            compacted.insert(topic.clone());
        }
    }
    Ok(compacted)
}
