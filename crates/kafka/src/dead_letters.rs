//! The topic of dead letters, read to its end.

use std::collections::HashMap;
use std::sync::Arc;

use crate::reader::read_records;
use crate::{KafkaConfig, KafkaError};

/// The values of a connector's letters that were not deleted, in no order. Empty when there is no such topic.
///
/// # Errors
/// No broker answers, access is refused, or the topic does not come to an end.
pub async fn dead_letters(
    config: KafkaConfig,
    topic: String,
    connector: &str,
) -> Result<Vec<Vec<u8>>, KafkaError> {
    let config = Arc::new(config);
    // As the mapper writes keys.
    let prefix = format!("{connector}@");
    let reading = tokio::task::spawn_blocking(move || read(&config, &topic, prefix.as_bytes()));
    reading.await.map_err(|_ended| KafkaError::Stopped)?
}

fn read(config: &Arc<KafkaConfig>, topic: &str, prefix: &[u8]) -> Result<Vec<Vec<u8>>, KafkaError> {
    let mut letters = HashMap::new();
    let read = read_records(config, "reading dead letters", topic, |key, value| {
        match value {
            _ if !key.starts_with(prefix) => None,
            Some(value) => letters.insert(key.to_vec(), value.to_vec()),
            None => letters.remove(key),
        };
    });
    match read {
        Ok(()) => Ok(letters.into_values().collect()),
        Err(KafkaError::UnknownTopic { .. }) => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}
