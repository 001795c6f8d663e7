//! What is asked of a broker without reading.

use rdkafka::consumer::Consumer;

use super::SILENCE_LIMIT;
use super::client::{block, bounds, consumer, partitions_of};
use crate::error::{Error, Result};

/// How many records lie in the topics, by their offsets: the marks of transactions count as well. A topic that does not exist
/// is empty.
///
/// # Errors
/// When the broker cannot be asked.
pub async fn records_written(brokers: &str, topics: &[String]) -> Result<u64> {
    tokio::task::yield_now().await;
    block(|| {
        let failed = |source| Error::Kafka {
            action: "ask how long topics are".to_owned(),
            source,
        };
        let consumer = consumer(brokers).map_err(failed)?;
        let mut written = 0;
        for topic in topics {
            for partition in partitions_of(&consumer, topic).map_err(failed)? {
                let (first, end) = bounds(&consumer, topic, partition).map_err(failed)?;
                written += u64::try_from(end - first).unwrap_or(0);
            }
        }
        Ok(written)
    })
}

/// Names of all topics, without Kafka's own.
///
/// # Errors
/// When the broker cannot be asked.
pub async fn topic_names(brokers: &str) -> Result<Vec<String>> {
    let failed = |source| Error::Kafka {
        action: "list topics".to_owned(),
        source,
    };
    tokio::task::yield_now().await;
    block(|| {
        let metadata = consumer(brokers).and_then(|consumer| consumer.fetch_metadata(None, SILENCE_LIMIT));
        let metadata = metadata.map_err(failed)?;
        let names = metadata.topics().iter().map(|topic| topic.name().to_owned());
        Ok(names.filter(|name| !name.starts_with("__")).collect())
    })
}
