//! The topic of dead letters, read to its end.

use std::sync::Arc;

use crate::reader::read_last_values;
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
    let reading = tokio::task::spawn_blocking(move || {
        read_last_values(&config, "reading dead letters", &topic, |key| {
            key.starts_with(prefix.as_bytes())
        })
    });
    match reading.await.map_err(|_ended| KafkaError::Stopped)? {
        Ok(letters) => Ok(letters.into_values().collect()),
        Err(KafkaError::UnknownTopic { .. }) => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}
