//! A consumer that follows a topic while it grows, for measurements of latency.

use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::Message;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use super::client::{consumer, partitions_of, passing};
use crate::error::{Error, Result};

/// Follows all partitions of a topic from their beginning, read_committed.
pub struct TopicFollower {
    consumer: BaseConsumer,
    topic: String,
}

impl TopicFollower {
    /// A follower of a topic; `None` while the topic does not exist.
    ///
    /// # Errors
    /// When the broker cannot be asked.
    pub fn of(brokers: &str, topic: &str) -> Result<Option<TopicFollower>> {
        let failed = failed(topic);
        let consumer = consumer(brokers).map_err(&failed)?;
        let partitions = partitions_of(&consumer, topic).map_err(&failed)?;
        if partitions.is_empty() {
            return Ok(None);
        }
        let mut assignment = TopicPartitionList::new();
        for partition in partitions {
            assignment
                .add_partition_offset(topic, partition, Offset::Beginning)
                .map_err(&failed)?;
        }
        consumer.assign(&assignment).map_err(&failed)?;
        Ok(Some(TopicFollower {
            consumer,
            topic: topic.to_owned(),
        }))
    }

    /// The key of the next record, and the time at which the record was received; `None` after `limit` without one. Blocks its
    /// thread.
    ///
    /// # Errors
    /// When the broker cannot be read from.
    pub fn next_key(&self, limit: Duration) -> Result<Option<(Vec<u8>, Instant)>> {
        let deadline = Instant::now() + limit;
        loop {
            match self
                .consumer
                .poll(deadline.saturating_duration_since(Instant::now()))
            {
                Some(Ok(message)) => {
                    let key = message.key().unwrap_or_default().to_vec();
                    return Ok(Some((key, Instant::now())));
                }
                None => return Ok(None),
                Some(Err(KafkaError::PartitionEOF(_))) => {}
                Some(Err(error)) if passing(&error) => {}
                Some(Err(error)) => return Err(failed(&self.topic)(error)),
            }
            if Instant::now() >= deadline {
                return Ok(None);
            }
        }
    }
}

fn failed(topic: &str) -> impl Fn(KafkaError) -> Error {
    move |source| Error::Kafka {
        action: format!("follow topic {topic}"),
        source,
    }
}
