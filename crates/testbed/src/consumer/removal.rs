//! Removal of the beginning of a partition, as retention does it.

use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions};
use rdkafka::client::DefaultClientContext;
use rdkafka::error::KafkaError;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use super::SILENCE_LIMIT;
use crate::error::{Error, Result};

/// Removes the records of a partition before an offset, as retention does, which takes minutes.
///
/// # Errors
/// When the broker cannot be asked, or refuses.
pub async fn remove_records(brokers: &str, topic: &str, partition: i32, before: i64) -> Result<()> {
    let failed = |source: KafkaError| Error::Kafka {
        action: format!("remove records of {topic}/{partition}"),
        source,
    };
    let admin: AdminClient<DefaultClientContext> = ClientConfig::new()
        .set("bootstrap.servers", brokers)
        .create()
        .map_err(failed)?;
    let mut offsets = TopicPartitionList::new();
    offsets
        .add_partition_offset(topic, partition, Offset::Offset(before))
        .map_err(failed)?;
    let options = AdminOptions::new().operation_timeout(Some(SILENCE_LIMIT));
    let removed = admin.delete_records(&offsets, &options).await.map_err(failed)?;
    for element in removed.elements() {
        element.error().map_err(failed)?;
    }
    Ok(())
}

/// Deletes a topic. Brokers may know it for a moment longer.
///
/// # Errors
/// When the broker cannot be asked, or refuses.
pub async fn delete_topic(brokers: &str, topic: &str) -> Result<()> {
    let failed = |source: KafkaError| Error::Kafka {
        action: format!("delete topic {topic}"),
        source,
    };
    let admin: AdminClient<DefaultClientContext> = ClientConfig::new()
        .set("bootstrap.servers", brokers)
        .create()
        .map_err(failed)?;
    let options = AdminOptions::new().operation_timeout(Some(SILENCE_LIMIT));
    let deleted = admin.delete_topics(&[topic], &options).await.map_err(failed)?;
    for deletion in deleted {
        deletion.map_err(|(_, code)| failed(KafkaError::AdminOp(code)))?;
    }
    Ok(())
}
