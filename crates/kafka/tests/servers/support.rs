//! One broker for all tests that do not restart it, and records and checkpoints to write to it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError as ClientError;
use rdkafka::message::{Headers, Message};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};
use tokio::sync::OnceCell;
use walcast_delivery::{
    Checkpoint, CheckpointState, CheckpointUpdate, Guarantee, Sink, SystemIdentifier, Timeline, Topics,
};
use walcast_kafka::{KafkaConfig, KafkaProperties, KafkaSink, KafkaTopics, TopicConfig};
use walcast_mapper::{Header, RecordBuffer};
use walcast_pgoutput::Lsn;
use walcast_testbed::{Kafka, KafkaOptions, has_open_transaction, wait_until};

/// Limit of waiting for the broker. Generous: only a fault reaches it.
pub(crate) const LIMIT: Duration = Duration::from_secs(60);

/// The shared broker. Expired transactions are ended soon; records may have 2 MB.
pub(crate) async fn broker() -> &'static Kafka {
    static BROKER: OnceCell<Kafka> = OnceCell::const_new();
    BROKER.get_or_init(|| async { own_broker().await }).await
}

/// A broker that may be restarted.
pub(crate) async fn own_broker() -> Kafka {
    let options = KafkaOptions::default()
        .with_property(
            "transaction.abort.timed.out.transaction.cleanup.interval.ms",
            "200",
        )
        .with_property("message.max.bytes", "2000000")
        .with_property("auto.create.topics.enable", "false");
    Kafka::start(options).await.unwrap()
}

/// Configuration with a unique connector name.
pub(crate) fn config(brokers: &str) -> KafkaConfig {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let name = format!("shop{}", NUMBER.fetch_add(1, Ordering::Relaxed));
    KafkaConfig {
        topic_prefix: name.clone(),
        name,
        brokers: brokers.to_owned(),
        guarantee: Guarantee::ExactlyOnce,
        transaction_timeout: Duration::from_secs(60),
        properties: KafkaProperties::default(),
        topics: TopicConfig::default(),
    }
}

pub(crate) fn properties(pairs: &[(&str, &str)]) -> KafkaProperties {
    let pairs: BTreeMap<_, _> = pairs
        .iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
        .collect();
    KafkaProperties::new(pairs).unwrap()
}

pub(crate) fn sink(config: &KafkaConfig) -> KafkaSink {
    KafkaSink::new(config.clone()).unwrap()
}

/// Topic of a table that no other connector captures.
pub(crate) fn orders(config: &KafkaConfig) -> String {
    format!("{}.public.orders", config.name)
}

/// An open sink, and the topic to write to.
pub(crate) async fn opened(config: &KafkaConfig, topic: &str) -> KafkaSink {
    ensure(config, topic).await;
    let mut sink = sink(config);
    sink.open().await.unwrap();
    sink
}

/// Ensures that a topic exists.
pub(crate) async fn ensure(config: &KafkaConfig, topic: &str) {
    let mut topics = KafkaTopics::new(config.clone()).unwrap();
    topics.ensure(topic).await.unwrap();
}

/// `walcast.id` = number, value = number, key = number.
pub(crate) fn batch(topic: &str, numbers: std::ops::Range<u32>) -> RecordBuffer {
    let topic: Arc<str> = topic.into();
    let mut batch = RecordBuffer::new();
    for number in numbers {
        let text = number.to_string();
        let id = Header {
            name: "walcast.id",
            value: Some(text.as_bytes()),
        };
        batch.push(&topic, Some(text.as_bytes()), Some(text.as_bytes()), [id]);
    }
    batch
}

pub(crate) fn checkpoint(end_lsn: u64) -> Checkpoint {
    Checkpoint {
        version: Checkpoint::VERSION,
        state: CheckpointState::Streaming,
        system_identifier: SystemIdentifier::new(7_553_123_456_789_012_345),
        timeline: Timeline::new(1),
        database: "shop".to_owned(),
        slot: "walcast_shop".to_owned(),
        end_lsn: Lsn::new(end_lsn),
        last_commit: None,
        last_message: None,
        partial: None,
        snapshot: None,
        signals_read: None,
        complete_outboxes: BTreeMap::new(),
        held_by: None,
        written_at_unix_micros: 1_700_000_000_000_000,
    }
}

pub(crate) fn update(end_lsn: u64) -> CheckpointUpdate {
    CheckpointUpdate::of(checkpoint(end_lsn))
}

/// A record as a consumer sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) partition: i32,
    pub(crate) key: Option<String>,
    pub(crate) value: Option<String>,
    pub(crate) headers: Vec<(String, String)>,
}

/// Everything in a topic that a consumer of this isolation level can see now.
pub(crate) async fn read(brokers: &str, topic: &str, isolation: &str) -> Vec<Seen> {
    let (brokers, topic, isolation) = (brokers.to_owned(), topic.to_owned(), isolation.to_owned());
    tokio::task::spawn_blocking(move || read_blocking(&brokers, &topic, &isolation))
        .await
        .unwrap()
}

pub(crate) async fn committed(brokers: &str, topic: &str) -> Vec<Seen> {
    read(brokers, topic, "read_committed").await
}

/// Everything that is committed, once no transaction is open: the broker acknowledges a commit before it has written the end of the
/// transaction to each partition.
pub(crate) async fn decided(brokers: &str, topic: &str) -> Vec<Seen> {
    await_decided(brokers, topic).await;
    committed(brokers, topic).await
}

/// Waits until no transaction is open in a topic.
pub(crate) async fn await_decided(brokers: &str, topic: &str) {
    let topics = [topic.to_owned()];
    wait_until("the end of the open transactions", LIMIT, async || {
        Ok(!has_open_transaction(brokers, &topics).await?)
    })
    .await
    .unwrap();
}

pub(crate) async fn uncommitted(brokers: &str, topic: &str) -> Vec<Seen> {
    read(brokers, topic, "read_uncommitted").await
}

/// The values in order, of a topic with one partition or where order does not matter.
pub(crate) fn values(seen: &[Seen]) -> Vec<u32> {
    seen.iter()
        .map(|seen| seen.value.as_ref().unwrap().parse().unwrap())
        .collect()
}

fn read_blocking(brokers: &str, topic: &str, isolation: &str) -> Vec<Seen> {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", brokers)
        .set("group.id", "reader")
        .set("enable.auto.commit", "false")
        .set("enable.partition.eof", "true")
        .set("isolation.level", isolation)
        .create()
        .unwrap();
    let metadata = consumer.fetch_metadata(Some(topic), LIMIT).unwrap();
    let partitions = metadata.topics().first().unwrap().partitions().len();
    let mut all = TopicPartitionList::new();
    for partition in 0..partitions {
        all.add_partition_offset(topic, partition.try_into().unwrap(), Offset::Beginning)
            .unwrap();
    }
    consumer.assign(&all).unwrap();
    let (mut seen, mut ended) = (Vec::new(), 0);
    let deadline = Instant::now() + LIMIT;
    while ended < partitions {
        assert!(Instant::now() < deadline, "topic {topic} has no end");
        match consumer.poll(Duration::from_secs(1)) {
            Some(Ok(message)) => seen.push(Seen {
                partition: message.partition(),
                key: message.key().map(text),
                value: message.payload().map(text),
                headers: message
                    .headers()
                    .map(|headers| {
                        headers
                            .iter()
                            .map(|header| (header.key.to_owned(), header.value.map(text).unwrap()))
                            .collect()
                    })
                    .unwrap_or_default(),
            }),
            Some(Err(ClientError::PartitionEOF(_))) => ended += 1,
            Some(Err(_)) | None => {}
        }
    }
    seen
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
