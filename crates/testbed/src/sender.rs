//! Writes single records, as a person at a console does, and takes a producer's place.

use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::error::KafkaError;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};

use crate::error::{Error, Result};

/// How long the broker may take.
const LIMIT: Duration = Duration::from_secs(30);

/// Writes a record to a topic, which is made where the broker makes topics by itself, and waits until it is there.
///
/// # Errors
/// When the broker cannot be reached or refuses.
pub async fn send_record(brokers: &str, topic: &str, key: &str, value: &str) -> Result<()> {
    let (brokers, topic) = (brokers.to_owned(), topic.to_owned());
    let (key, value) = (key.to_owned(), value.to_owned());
    let sent = tokio::task::spawn_blocking(move || {
        let producer: BaseProducer = ClientConfig::new().set("bootstrap.servers", &brokers).create()?;
        let record = BaseRecord::to(&topic).key(&key).payload(&value);
        producer.send(record).map_err(|(error, _)| error)?;
        producer.flush(LIMIT)
    });
    let outcome: std::result::Result<(), KafkaError> = sent.await.unwrap_or(Err(KafkaError::Canceled));
    outcome.map_err(|source| Error::Kafka {
        action: "write a record".to_owned(),
        source,
    })
}

/// Fences the producer of a transactional id, as a new producer that starts with it does.
///
/// # Errors
/// When the broker cannot be reached or refuses.
pub async fn fence(brokers: &str, transactional_id: &str) -> Result<()> {
    let (brokers, transactional_id) = (brokers.to_owned(), transactional_id.to_owned());
    let fenced = tokio::task::spawn_blocking(move || {
        let producer: BaseProducer = ClientConfig::new()
            .set("bootstrap.servers", &brokers)
            .set("transactional.id", &transactional_id)
            .create()?;
        producer.init_transactions(LIMIT)
    });
    let outcome: std::result::Result<(), KafkaError> = fenced.await.unwrap_or(Err(KafkaError::Canceled));
    outcome.map_err(|source| Error::Kafka {
        action: "fence a producer".to_owned(),
        source,
    })
}
