//! Dead letter topic: reading the dead letters of a connector, and resolving some of them.

use walcast_mapper::dead_letter::dead_letter_key;

use crate::config::KafkaConfig;
use crate::error::KafkaError;
use crate::topic_reader::last_values_of;
use crate::written_record::{WrittenRecord, write_records};

/// Values of a connector's unresolved dead letters, in no particular order. Empty when the topic does not exist.
///
/// # Errors
/// No broker answers, access is denied, or the end of the topic is not reached in time.
pub async fn read_dead_letters(
    config: KafkaConfig,
    topic: String,
    connector: &str,
) -> Result<Vec<Vec<u8>>, KafkaError> {
    let prefix = dead_letter_key(connector, "");
    let is_of_connector = |key: &[u8]| key.starts_with(prefix.as_bytes());
    match last_values_of(config, topic, "reading dead letters", is_of_connector).await {
        Ok(letters) => Ok(letters.into_values().collect()),
        Err(KafkaError::UnknownTopic { .. }) => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

/// Resolves dead letters by their header `walcast.id`: writes a tombstone for the key of each. A running connector is not
/// disturbed. On return all in-sync replicas have acknowledged every tombstone.
///
/// # Errors
/// No broker answers, access is denied, or a tombstone is rejected: some of the tombstones may be written then.
pub async fn resolve_dead_letters(
    config: KafkaConfig,
    topic: String,
    ids: Vec<String>,
) -> Result<(), KafkaError> {
    let writing = tokio::task::spawn_blocking(move || write(&config, &topic, &ids));
    writing.await.map_err(|_ended| KafkaError::Stopped)?
}

const DOING: &str = "resolving dead letters";

fn write(config: &KafkaConfig, topic: &str, ids: &[String]) -> Result<(), KafkaError> {
    let keys: Vec<String> = ids.iter().map(|id| dead_letter_key(&config.name, id)).collect();
    let tombstones: Vec<WrittenRecord<'_>> = keys
        .iter()
        .map(|key| WrittenRecord { key, value: None })
        .collect();
    write_records(config, DOING, topic, &tombstones)
}
