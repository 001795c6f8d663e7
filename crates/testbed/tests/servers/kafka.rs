//! The broker: transactions, and what outlives stop and kill.

use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use walcast_testbed::{
    Kafka, KafkaCluster, KafkaOptions, RawRecord, TopicReader, has_open_transaction, read_topic, topic_names,
    wait_until,
};

/// Longer than a cluster takes to do without one of its brokers; only a fault reaches it.
const LIMIT: Duration = Duration::from_secs(180);

fn producer(brokers: &str) -> BaseProducer {
    let mut config = ClientConfig::new();
    config
        .set("bootstrap.servers", brokers)
        .set("transactional.id", "tester");
    let producer: BaseProducer = config.create().unwrap();
    producer.init_transactions(LIMIT).unwrap();
    producer
}

fn send(producer: &BaseProducer, value: &str, commit: bool) {
    producer.begin_transaction().unwrap();
    producer
        .send(BaseRecord::to("t").key("k").payload(value))
        .map_err(|(error, _)| error)
        .unwrap();
    producer.flush(LIMIT).unwrap();
    if commit {
        producer.commit_transaction(LIMIT).unwrap()
    } else {
        producer.abort_transaction(LIMIT).unwrap()
    }
}

fn values(records: &[RawRecord]) -> Vec<&str> {
    records
        .iter()
        .map(|record| std::str::from_utf8(record.value.as_ref().unwrap()).unwrap())
        .collect()
}

/// What has come since the last call, once no transaction is open: the broker acknowledges the end of a transaction before it has
/// written the end to the partition.
async fn read_decided(brokers: &str, reader: &mut TopicReader) -> Vec<RawRecord> {
    let topics = ["t".to_owned()];
    wait_until("the end of the open transactions", LIMIT, async || {
        Ok(!has_open_transaction(brokers, &topics).await?)
    })
    .await
    .unwrap();
    reader.read_new().await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn committed_records_outlive_stop_and_kill_and_aborted_ones_are_not_read() {
    let mut kafka = Kafka::start(KafkaOptions::default().with_property("num.partitions", "3"))
        .await
        .unwrap();
    assert_eq!(read_topic(&kafka.brokers(), "t").await.unwrap(), []);
    let mut reader = TopicReader::new(&kafka.brokers(), ["t".to_owned()]);
    {
        let producer = producer(&kafka.brokers());
        send(&producer, "one", true);
        send(&producer, "aborted", false);
        send(&producer, "two", true);
    }
    let brokers = kafka.brokers();
    assert_eq!(values(&read_decided(&brokers, &mut reader).await), ["one", "two"]);

    kafka.restart().await.unwrap();
    send(&producer(&kafka.brokers()), "three", true);
    assert_eq!(values(&read_decided(&brokers, &mut reader).await), ["three"]);
    kafka.kill().unwrap();
    kafka.start_again().await.unwrap();
    assert_eq!(reader.read_new().await.unwrap(), []);
    assert_eq!(
        values(&read_topic(&kafka.brokers(), "t").await.unwrap()),
        ["one", "two", "three"]
    );
    assert_eq!(topic_names(&kafka.brokers()).await.unwrap(), ["t"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_works_without_any_one_of_its_brokers() {
    let mut cluster = KafkaCluster::start(3, KafkaOptions::default()).await.unwrap();
    let brokers = cluster.brokers();
    let mut reader = TopicReader::new(&brokers, ["t".to_owned()]);
    let mut expected = Vec::new();
    let send_one = |value: String| {
        tokio::task::block_in_place(|| send(&producer(&brokers), &value, true));
        value
    };
    for number in 0..cluster.size() {
        cluster.broker_mut(number).kill().unwrap();
        expected.push(send_one(format!("without broker {number}")));
        cluster.broker_mut(number).start_again().await.unwrap();
        expected.push(send_one(format!("with broker {number} again")));
        cluster.line(number).close();
        expected.push(send_one(format!("without a line to broker {number}")));
        cluster.line(number).open();
    }
    // The partition's own log needs room as soon as it is written to.
    for number in 0..2 {
        cluster.broker_mut(number).fill_disk().unwrap();
        expected.push(send_one(format!("while the disk of broker {number} is full")));
        wait_until("the end of a broker without room", LIMIT, async || {
            Ok(!cluster.broker_mut(number).is_running()?)
        })
        .await
        .unwrap();
        cluster.broker_mut(number).start_again().await.unwrap();
    }
    assert_eq!(values(&read_decided(&brokers, &mut reader).await), expected);
}
