//! Writes single records, as a person at a console does, and takes a producer's place.

use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::error::KafkaError;
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};

use crate::consumer::RawRecord;
use crate::error::{Error, Result};

/// How long the broker may take. Generous: only a fault reaches it.
const LIMIT: Duration = Duration::from_secs(240);

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

/// Writes a record again, with its key, value and headers, behind the last one of its partition, and waits until it is there.
///
/// # Errors
/// When the broker cannot be reached or refuses.
pub async fn send_copy(brokers: &str, record: &RawRecord) -> Result<()> {
    let (brokers, record) = (brokers.to_owned(), record.clone());
    let sent = tokio::task::spawn_blocking(move || {
        let producer: BaseProducer = ClientConfig::new().set("bootstrap.servers", &brokers).create()?;
        let mut headers = OwnedHeaders::new();
        for (key, value) in &record.headers {
            let value = value.as_deref();
            headers = headers.insert(Header { key, value });
        }
        let mut copy = BaseRecord::<[u8], [u8]>::to(&record.topic)
            .partition(record.partition)
            .headers(headers);
        if let Some(key) = &record.key {
            copy = copy.key(key.as_slice());
        }
        if let Some(value) = &record.value {
            copy = copy.payload(value.as_slice());
        }
        producer.send(copy).map_err(|(error, _)| error)?;
        producer.flush(LIMIT)
    });
    let outcome: std::result::Result<(), KafkaError> = sent.await.unwrap_or(Err(KafkaError::Canceled));
    outcome.map_err(|source| Error::Kafka {
        action: "write a record again".to_owned(),
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
