//! The broker: transactions, and what outlives stop and kill.

use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use walcast_testbed::{Kafka, KafkaOptions, TopicReader, read_topic, topic_names};

const LIMIT: Duration = Duration::from_secs(60);

fn producer(kafka: &Kafka) -> BaseProducer {
    let mut config = ClientConfig::new();
    config
        .set("bootstrap.servers", kafka.brokers())
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

fn values(records: &[walcast_testbed::RawRecord]) -> Vec<&str> {
    records
        .iter()
        .map(|record| std::str::from_utf8(record.value.as_ref().unwrap()).unwrap())
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn committed_records_outlive_stop_and_kill_and_aborted_ones_are_not_read() {
    let mut kafka = Kafka::start(KafkaOptions::default().with_property("num.partitions", "3"))
        .await
        .unwrap();
    assert_eq!(read_topic(&kafka.brokers(), "t").await.unwrap(), []);
    let mut reader = TopicReader::new(&kafka.brokers(), ["t".to_owned()]);
    {
        let producer = producer(&kafka);
        send(&producer, "one", true);
        send(&producer, "aborted", false);
        send(&producer, "two", true);
    }
    assert_eq!(values(&reader.read_new().await.unwrap()), ["one", "two"]);

    kafka.restart().await.unwrap();
    send(&producer(&kafka), "three", true);
    assert_eq!(values(&reader.read_new().await.unwrap()), ["three"]);
    kafka.kill().unwrap();
    kafka.start_again().await.unwrap();
    assert_eq!(reader.read_new().await.unwrap(), []);
    assert_eq!(
        values(&read_topic(&kafka.brokers(), "t").await.unwrap()),
        ["one", "two", "three"]
    );
    assert_eq!(topic_names(&kafka.brokers()).await.unwrap(), ["t"]);
}
