//! Topic of certificates: what comparisons of the source with the topics have found.

use std::sync::Arc;

use crate::cluster::Cluster;
use crate::config::{KafkaConfig, verification_topic};
use crate::error::KafkaError;
use crate::topic_reader::last_values_of;
use crate::topics::{ensure_created, verification_topic_creation};
use crate::written_record::{WrittenRecord, write_records};

/// The certificate of a connector that was written last; `None` if there is none.
///
/// # Errors
/// No broker answers, access is denied, or the end of the topic is not reached in time.
pub async fn last_verification(config: KafkaConfig) -> Result<Option<Vec<u8>>, KafkaError> {
    let topic = verification_topic(&config.topic_prefix);
    let name = config.name.clone();
    let is_of_connector = |key: &[u8]| key == name.as_bytes();
    match last_values_of(config, topic, "reading certificates", is_of_connector).await {
        Ok(mut found) => Ok(found.remove(name.as_bytes())),
        Err(KafkaError::UnknownTopic { .. }) => Ok(None),
        Err(error) => Err(error),
    }
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
