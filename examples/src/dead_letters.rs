//! A consumer that sets records aside which it cannot process, instead of stopping at them.
//!
//! Such a record is written to a topic of dead letters as it is, with the reason and its place in the headers, and the offset behind it
//! is committed in the same Kafka transaction: it is set aside once, and no record is skipped without one.

use std::future::Future;
use std::time::Duration;

use anyhow::Context;
use rdkafka::consumer::{CommitMode, Consumer, StreamConsumer};
use rdkafka::message::{BorrowedHeaders, BorrowedMessage, Header, Message, OwnedHeaders};
use rdkafka::producer::{FutureProducer, FutureRecord, Producer};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};
use serde_json::Value as Json;

use crate::{Decoder, Source};

/// Time for a request to the broker.
const LIMIT: Duration = Duration::from_secs(30);

/// Has `process` process each new row of the topic until `stop` ends. A row that it rejects, with a reason, becomes a dead letter in
/// `<topic>.<group>.dead-letters`. Processing must be idempotent: a crash before the offset is committed repeats it.
///
/// # Errors
/// Kafka fails. A later run of the group continues at the first record that was neither processed nor set aside.
pub async fn run(
    source: &Source,
    group: &str,
    mut process: impl FnMut(&Json) -> Result<(), String>,
    stop: impl Future<Output = ()>,
) -> anyhow::Result<()> {
    let consumer = source.consumer(group)?;
    consumer
        .subscribe(&[&source.topic])
        .context("cannot subscribe to the topic")?;
    let producer: FutureProducer = ClientConfig::new()
        .set("bootstrap.servers", &source.brokers)
        // One instance with this id: a second one would fence the first.
        .set("transactional.id", format!("{group}-dead-letters"))
        .create()
        .context("the producer cannot be created")?;
    producer
        .init_transactions(LIMIT)
        .context("the producer cannot begin transactions")?;
    let topic = format!("{}.{group}.dead-letters", source.topic);
    let decoder = source.decoder();
    let mut stop = std::pin::pin!(stop);
    loop {
        let record = tokio::select! {
            record = consumer.recv() => record.context("no record could be read")?,
            () = &mut stop => return Ok(()),
        };
        match process_record(&decoder, &record, &mut process).await {
            Ok(()) => consumer
                // An offset that arrives late would undo that of a dead letter.
                .commit_message(&record, CommitMode::Sync)
                .context("the offset was not committed")?,
            Err(reason) => set_aside(&producer, &consumer, &topic, &record, &reason).await?,
        }
    }
}

/// Deletes and tombstones have no new row, and are not processed here.
async fn process_record(
    decoder: &Decoder,
    record: &BorrowedMessage<'_>,
    process: &mut impl FnMut(&Json) -> Result<(), String>,
) -> Result<(), String> {
    // What cannot be decoded is set aside as well.
    let value = decoder
        .json(record.payload())
        .await
        .map_err(|error| format!("{error:#}"))?;
    match &value["after"] {
        Json::Null => Ok(()),
        row => process(row),
    }
}

async fn set_aside(
    producer: &FutureProducer,
    consumer: &StreamConsumer,
    topic: &str,
    record: &BorrowedMessage<'_>,
    reason: &str,
) -> anyhow::Result<()> {
    let group = consumer.group_metadata().context("the consumer has no group")?;
    let mut offsets = TopicPartitionList::new();
    let next = Offset::Offset(record.offset() + 1);
    offsets.add_partition_offset(record.topic(), record.partition(), next)?;

    producer.begin_transaction()?;
    let mut letter = FutureRecord::<[u8], [u8]>::to(topic).headers(headers(record, reason));
    letter.key = record.key();
    letter.payload = record.payload();
    let sent = producer.send(letter, LIMIT).await;
    sent.map_err(|(error, _)| error)
        .context("the dead letter was not written")?;
    producer.send_offsets_to_transaction(&offsets, &group, LIMIT)?;
    producer
        .commit_transaction(LIMIT)
        .context("the dead letter was not committed")
}

/// Headers of the record, the context and `walcast.id` among them, then its place and the reason.
fn headers(record: &BorrowedMessage<'_>, reason: &str) -> OwnedHeaders {
    let of_record = record.headers().map(BorrowedHeaders::detach);
    let place = format!("{}/{}/{}", record.topic(), record.partition(), record.offset());
    let of_letter = [("consumer.source", place.as_str()), ("consumer.error", reason)];
    let of_record = of_record.unwrap_or_default();
    of_letter.into_iter().fold(of_record, |headers, (key, value)| {
        headers.insert(Header {
            key,
            value: Some(value),
        })
    })
}
