//! Single records that commands write beside a running connector, whose transactions they do not touch.

use std::sync::Arc;
use std::time::Duration;

use rdkafka::error::KafkaError as ClientError;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::types::RDKafkaErrorCode;

use crate::clients;
use crate::config::KafkaConfig;
use crate::error::KafkaError;
use crate::events::Events;
use crate::explain::{Attempt, Explain};

/// Record to be written.
pub(crate) struct WrittenRecord<'a> {
    pub(crate) key: &'a str,
    /// `None`: a tombstone.
    pub(crate) value: Option<&'a [u8]>,
}

/// Time limit of writing a record.
const WRITE_LIMIT: Duration = Duration::from_secs(60);

/// How long one poll waits for space in a full queue.
const POLL: Duration = Duration::from_millis(100);

/// Writes records. On return all in-sync replicas have acknowledged every record. Blocks.
pub(crate) fn write_records(
    config: &KafkaConfig,
    doing: &'static str,
    topic: &str,
    records: &[WrittenRecord<'_>],
) -> Result<(), KafkaError> {
    let config = Arc::new(config.clone());
    let events = Events::default();
    let explain = Explain::new(Arc::clone(&config), events.clone(), Arc::default());
    let failed = |error: &ClientError| {
        let attempt = Attempt {
            doing,
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
    for WrittenRecord { key, value } in records {
        let mut record = BaseRecord::<str, [u8]>::to(topic).key(*key);
        if let Some(value) = value {
            record = record.payload(*value);
        }
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
    // A record that was not written by then has failed by its own time limit.
    let flushed = producer.flush(2 * WRITE_LIMIT);
    check_failures()?;
    flushed.map_err(|error| failed(&error))
}
