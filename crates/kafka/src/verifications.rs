//! Topic of certificates: what comparisons of the source with the topics have found.

use std::sync::Arc;

use crate::cluster::Cluster;
use crate::config::{KafkaConfig, verification_topic};
use crate::error::KafkaError;
use crate::topic_consumer::ReadFrom;
use crate::topic_index::TopicIndex;
use crate::topic_reader::{TopicReader, TopicSelection, last_values_in, last_values_of};
use crate::topics::{ensure_created, verification_topic_creation};
use crate::written_record::{WrittenRecord, write_records};

/// Description of the operation, for errors.
const DOING: &str = "reading certificates";

/// Number of records at the end of the topic among which the last certificate is looked for first: the topic grows without a limit.
const RECENT: i64 = 32;

/// The certificate of a connector that was written last; `None` if there is none.
///
/// # Errors
/// No broker answers, access is denied, or the end of the topic is not reached in time.
pub async fn last_verification(config: KafkaConfig) -> Result<Option<Vec<u8>>, KafkaError> {
    let topic = verification_topic(&config.topic_prefix);
    let name = config.name.clone();
    let is_of_connector = |key: &[u8]| key == name.as_bytes();
    let index = TopicIndex::new(config.clone(), topic.clone(), DOING);
    let partitions = match index.partitions().await {
        Ok(partitions) => partitions,
        Err(KafkaError::UnknownTopic { .. }) => return Ok(None),
        Err(error) => return Err(error),
    };
    if let [only] = partitions.as_slice()
        && only.end - RECENT > only.first
    {
        let selection = TopicSelection {
            topic: topic.clone(),
            partition: Some(only.partition),
            from: ReadFrom::Offset(only.end - RECENT),
            doing: DOING,
        };
        let mut found = last_values_in(config.clone(), selection, is_of_connector).await?;
        if let Some(last) = found.remove(name.as_bytes()) {
            return Ok(Some(last));
        }
    }
    match last_values_of(config, topic, DOING, is_of_connector).await {
        Ok(mut found) => Ok(found.remove(name.as_bytes())),
        Err(KafkaError::UnknownTopic { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// The certificates of a connector among the last records of the topic, the oldest first.
///
/// # Errors
/// No broker answers, access is denied, or the end of the topic is not reached in time.
pub async fn last_verifications(config: KafkaConfig) -> Result<Vec<Vec<u8>>, KafkaError> {
    let topic = verification_topic(&config.topic_prefix);
    let index = TopicIndex::new(config.clone(), topic.clone(), DOING);
    let partitions = match index.partitions().await {
        Ok(partitions) => partitions,
        Err(KafkaError::UnknownTopic { .. }) => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut found = Vec::new();
    for range in partitions {
        let selection = TopicSelection {
            topic: topic.clone(),
            partition: Some(range.partition),
            from: ReadFrom::Offset(range.first.max(range.end - RECENT)),
            doing: DOING,
        };
        let mut reader = TopicReader::of_committed(config.clone(), selection);
        while let Some(record) = reader.next().await? {
            let is_of_connector = record.key.as_deref() == Some(config.name.as_bytes());
            found.extend(record.value.filter(|_| is_of_connector));
        }
    }
    Ok(found)
}

/// Appends the certificate of a connector. The topic is created if it does not exist, with one partition, so that certificates have
/// one order, and without a limit of time.
///
/// # Errors
/// No broker answers, access is denied, the topic cannot be created, or the record is rejected.
pub async fn write_verification(config: KafkaConfig, certificate: Vec<u8>) -> Result<(), KafkaError> {
    let config = Arc::new(config);
    let topic = verification_topic(&config.topic_prefix);
    let cluster = Cluster::new(Arc::clone(&config), Arc::default())?;
    ensure_created(&cluster, &config, &verification_topic_creation(&config, &topic)).await?;
    let writing = tokio::task::spawn_blocking(move || {
        let record = WrittenRecord {
            key: &config.name,
            value: Some(&certificate),
        };
        write_records(&config, "writing a certificate", &topic, &[record])
    });
    writing.await.map_err(|_ended| KafkaError::Stopped)?
}
