//! What is asked of a broker without reading.

use rdkafka::consumer::Consumer;

use super::SILENCE_LIMIT;
use super::client::{block, bounds, consumer, partitions_of, uncommitted_consumer};
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

/// Whether a transaction is open in one of the topics. The broker acknowledges the end of a transaction before it has written the
/// end to each partition, so a transaction that its producer has committed can be open for a while.
///
/// # Errors
/// When the broker cannot be asked.
pub async fn has_open_transaction(brokers: &str, topics: &[String]) -> Result<bool> {
    tokio::task::yield_now().await;
    block(|| {
        let failed = |source| Error::Kafka {
            action: "ask for open transactions".to_owned(),
            source,
        };
        let stable = consumer(brokers).map_err(failed)?;
        let all = uncommitted_consumer(brokers).map_err(failed)?;
        for topic in topics {
            for partition in partitions_of(&stable, topic).map_err(failed)? {
                let (_, end) = bounds(&all, topic, partition).map_err(failed)?;
                let (_, stable_end) = bounds(&stable, topic, partition).map_err(failed)?;
                if stable_end < end {
                    return Ok(true);
                }
            }
        }
        Ok(false)
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
