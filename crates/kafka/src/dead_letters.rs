//! Dead letter topic: reading the dead letters of a connector, and resolving some of them.

use std::sync::Arc;
use std::time::Duration;

use rdkafka::error::KafkaError as ClientError;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::types::RDKafkaErrorCode;
use walcast_mapper::dead_letter::dead_letter_key;

use crate::clients;
use crate::config::KafkaConfig;
use crate::error::KafkaError;
use crate::events::Events;
use crate::explain::{Attempt, Explain};
use crate::topic_reader::last_values_of;

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

/// Time limit of writing a tombstone.
const WRITE_LIMIT: Duration = Duration::from_secs(60);

/// How long one poll waits for space in a full queue.
const POLL: Duration = Duration::from_millis(100);

fn write(config: &KafkaConfig, topic: &str, ids: &[String]) -> Result<(), KafkaError> {
    let config = Arc::new(config.clone());
    let events = Events::default();
    let explain = Explain::new(Arc::clone(&config), events.clone(), Arc::default());
    let failed = |error: &ClientError| {
        let attempt = Attempt {
            doing: DOING,
            operation: "Write",
            resource: "topic",
            name: topic,
        };
        explain.client(attempt, error)
    };
    let mut client = clients::writer(&config);
    client.set("message.timeout.ms", WRITE_LIMIT.as_millis().to_string());
    let producer: BaseProducer<Events> = client
        .create_with_context(events.clone())
        .map_err(|error| failed(&error))?;
    let check_failures = || {
        events
            .failure()
            .map_or(Ok(()), |failure| Err(explain.record(&failure)))
    };
    for id in ids {
        let key = dead_letter_key(&config.name, id);
        let mut record = BaseRecord::<str, [u8]>::to(topic).key(&key);
        loop {
            match producer.send(record) {
                Ok(()) => break,
                Err((error, back)) if error.rdkafka_error_code() == Some(RDKafkaErrorCode::QueueFull) => {
                    record = back;
                    producer.poll(POLL);
                    check_failures()?;
                }
                Err((error, _)) => return Err(failed(&error)),
            }
        }
    }
    // A tombstone that was not written by then has failed by its own time limit.
    let flushed = producer.flush(2 * WRITE_LIMIT);
    check_failures()?;
    flushed.map_err(|error| failed(&error))
}
