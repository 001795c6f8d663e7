//! Counted cost of delivery: requests for four megabytes of records.
//!
//! The counts depend on neither the machine nor its load: records wait for the whole request, because `linger.ms` is far longer than
//! the time in which a request is filled. A count above the committed figure fails the test, and so does a count below, so that a later
//! change cannot use up an improvement unnoticed.

use std::sync::Arc;

use walcast_delivery::{Guarantee, Sink};
use walcast_mapper::{Header, RecordBuffer};
use walcast_testbed::{Api, Kafka, KafkaOptions};

use crate::support::{committed, config, opened, orders, properties, update};

/// Records of one measurement, written as batches of a hundred: four megabytes of values.
const RECORDS: usize = 400;
const BATCH_RECORDS: usize = 100;
const VALUE_BYTES: usize = 10_000;

/// Committed figure: a request of at most a megabyte holds 99 of the records, which makes five, and one for the checkpoint.
const PRODUCE_REQUESTS: u64 = 6;
/// Partitions that are added to the transaction: that of the records, then that of the checkpoint.
const ADD_PARTITIONS_REQUESTS_MAX: u64 = 2;

#[tokio::test]
async fn requests_per_megabyte_do_not_grow() {
    let (options, proxy) = KafkaOptions::default().behind_false_broker().await.unwrap();
    let kafka = Kafka::start(options).await.unwrap();
    for guarantee in [Guarantee::ExactlyOnce, Guarantee::AtLeastOnce] {
        let mut config = config(&format!("127.0.0.1:{}", proxy.port()));
        config.guarantee = guarantee;
        config.properties = properties(&[("linger.ms", "500")]);
        let topic = orders(&config);
        let mut sink = opened(&config, &topic).await;
        let requests = || [Api::Produce, Api::AddPartitionsToTxn, Api::EndTxn].map(|api| proxy.requests(api));
        let before = requests();
        for first in (0..RECORDS).step_by(BATCH_RECORDS) {
            sink.write(batch(&topic, first)).await.unwrap();
        }
        sink.commit(&update(100)).await.unwrap();
        let after = requests();
        let sent = [0_usize, 1, 2].map(|api| after[api] - before[api]);
        let [produce, add_partitions, end_transaction] = sent;
        assert_eq!(
            produce, PRODUCE_REQUESTS,
            "the Produce requests (left) for {RECORDS} records of {VALUE_BYTES} bytes, {guarantee:?}, are not the committed figure \
             (right): send fuller requests, or, if the change is intended, write the left figure to PRODUCE_REQUESTS in \
             crates/kafka/tests/servers/requests.rs and give the reason in the commit message"
        );
        let is_transactional = guarantee == Guarantee::ExactlyOnce;
        assert_eq!(end_transaction, u64::from(is_transactional), "{guarantee:?}");
        assert!(
            add_partitions <= ADD_PARTITIONS_REQUESTS_MAX,
            "{add_partitions} AddPartitionsToTxn requests, {guarantee:?}"
        );
        assert_eq!(committed(&kafka.brokers(), &topic).await.len(), RECORDS);
    }
}

/// A batch of records, each with a key and a header of eight digits.
fn batch(topic: &str, first: usize) -> RecordBuffer {
    let topic: Arc<str> = topic.into();
    let value = vec![b'x'; VALUE_BYTES];
    let mut batch = RecordBuffer::new();
    for number in first..first + BATCH_RECORDS {
        let text = format!("{number:08}");
        let id = Header {
            name: "walcast.id",
            value: Some(text.as_bytes()),
        };
        batch.push(&topic, Some(text.as_bytes()), Some(&value), [id]);
    }
    batch
}
