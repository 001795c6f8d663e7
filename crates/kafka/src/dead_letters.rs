//! The topic of dead letters: read to its end, and relieved of what is done with.

use std::sync::Arc;
use std::time::Duration;

use rdkafka::error::KafkaError as ClientError;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::types::RDKafkaErrorCode;
use walcast_mapper::letter_key;

use crate::events::Events;
use crate::explain::{Attempt, Explain};
use crate::reader::read_last_values;
use crate::{KafkaConfig, KafkaError, clients};

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
    let prefix = letter_key(connector, "");
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

/// Takes letters off the list, by what they have in header `walcast.id`: each gets a record with its key and no value. A
/// running connector is not disturbed. When it is done, all of them are acknowledged by all brokers in sync.
///
/// # Errors
/// No broker answers, access is refused, or one of the records is: then some may be written.
pub async fn take_off(config: KafkaConfig, topic: String, ids: Vec<String>) -> Result<(), KafkaError> {
    let writing = tokio::task::spawn_blocking(move || write(&config, &topic, &ids));
    writing.await.map_err(|_ended| KafkaError::Stopped)?
}

const DOING: &str = "taking dead letters off the list";

/// How long brokers are waited for.
const WRITE_LIMIT: Duration = Duration::from_secs(60);

/// How long a full queue is waited for at once.
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
    let refused = || {
        events
            .failure()
            .map_or(Ok(()), |failure| Err(explain.record(&failure)))
    };
    for id in ids {
        let key = letter_key(&config.name, id);
        let mut record = BaseRecord::<str, [u8]>::to(topic).key(&key);
        loop {
            match producer.send(record) {
                Ok(()) => break,
                Err((error, back)) if error.rdkafka_error_code() == Some(RDKafkaErrorCode::QueueFull) => {
                    record = back;
                    producer.poll(POLL);
                    refused()?;
                }
                Err((error, _)) => return Err(failed(&error)),
            }
        }
    }
    // Whatever was not written by then has failed by its own limit.
    let flushed = producer.flush(2 * WRITE_LIMIT);
    refused()?;
    flushed.map_err(|error| failed(&error))
}
