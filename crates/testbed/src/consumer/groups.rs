//! Committed offsets of consumer groups.

use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use super::client::block;
use crate::error::{Error, Result};

/// Commits an offset in the first partition of a topic for a group without members, as a consumer does that has read everything before
/// it and then left.
///
/// # Errors
/// When the broker cannot be asked, or refuses.
pub fn commit_offset(brokers: &str, group: &str, topic: &str, offset: i64) -> Result<()> {
    let failed = |source: KafkaError| Error::Kafka {
        action: format!("commit an offset of {topic} for {group}"),
        source,
    };
    block(|| {
        let consumer: BaseConsumer = ClientConfig::new()
            .set("bootstrap.servers", brokers)
            .set("group.id", group)
            .set("enable.auto.commit", "false")
            .create()
            .map_err(failed)?;
        let mut offsets = TopicPartitionList::new();
        offsets
            .add_partition_offset(topic, 0, Offset::Offset(offset))
            .map_err(failed)?;
        consumer.commit(&offsets, CommitMode::Sync).map_err(failed)
    })
}
