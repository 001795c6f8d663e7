//! Topics are created as configured; existing topics are not changed.

use std::num::{NonZeroU16, NonZeroU32};

use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, ResourceSpecifier, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use walcast_delivery::{Sink, Topics};
use walcast_kafka::KafkaTopics;
use walcast_testbed::wait_until;

use crate::support::{LIMIT, broker, config, orders, sink};

fn admin(brokers: &str) -> AdminClient<DefaultClientContext> {
    ClientConfig::new()
        .set("bootstrap.servers", brokers)
        .create()
        .unwrap()
}

/// Creates a topic, and waits until the broker knows it: the controller answers first.
async fn create(brokers: &str, topic: &str, partitions: i32, settings: &[(&str, &str)]) {
    let mut new = NewTopic::new(topic, partitions, TopicReplication::Fixed(1));
    new.config = settings.to_vec();
    let results = admin(brokers)
        .create_topics([&new], &AdminOptions::new())
        .await
        .unwrap();
    results.into_iter().for_each(|result| drop(result.unwrap()));
    let wanted = usize::try_from(partitions).unwrap();
    wait_until("the topic in the metadata", LIMIT, async || {
        Ok(partitions_of(brokers, topic).await == wanted)
    })
    .await
    .unwrap();
}

async fn setting(brokers: &str, topic: &str, setting: &str) -> Option<String> {
    let found = admin(brokers)
        .describe_configs([&ResourceSpecifier::Topic(topic)], &AdminOptions::new())
        .await
        .unwrap();
    found
        .into_iter()
        .next()
        .unwrap()
        .unwrap()
        .get(setting)
        .unwrap()
        .value
        .clone()
}

async fn partitions_of(brokers: &str, topic: &str) -> usize {
    let (brokers, topic) = (brokers.to_owned(), topic.to_owned());
    let asking = tokio::task::spawn_blocking(move || {
        let consumer: BaseConsumer = ClientConfig::new()
            .set("bootstrap.servers", brokers)
            .create()
            .unwrap();
        let metadata = consumer.fetch_metadata(Some(&topic), LIMIT).unwrap();
        metadata.topics().first().unwrap().partitions().len()
    });
    asking.await.unwrap()
}

#[tokio::test]
async fn a_missing_topic_is_created_as_configured() {
    let brokers = broker().await.brokers();
    let mut config = config(&brokers);
    config.topics.partitions = NonZeroU32::new(5);
    config.topics.replication_factor = NonZeroU16::new(1);
    config
        .topics
        .config
        .insert("cleanup.policy".to_owned(), "compact".to_owned());
    config
        .topics
        .config
        .insert("retention.ms".to_owned(), "86400000".to_owned());
    let topic = orders(&config);
    let mut topics = KafkaTopics::new(config).unwrap();
    topics.ensure(&topic).await.unwrap();
    topics.ensure(&topic).await.unwrap();
    assert_eq!(partitions_of(&brokers, &topic).await, 5);
    assert_eq!(
        setting(&brokers, &topic, "cleanup.policy").await.as_deref(),
        Some("compact")
    );
    assert_eq!(
        setting(&brokers, &topic, "retention.ms").await.as_deref(),
        Some("86400000")
    );
}

#[tokio::test]
async fn an_existing_topic_keeps_its_partitions() {
    let brokers = broker().await.brokers();
    let mut config = config(&brokers);
    config.topics.partitions = NonZeroU32::new(5);
    let topic = orders(&config);
    create(&brokers, &topic, 2, &[]).await;
    KafkaTopics::new(config).unwrap().ensure(&topic).await.unwrap();
    assert_eq!(partitions_of(&brokers, &topic).await, 2);
}

#[tokio::test]
async fn without_permission_to_create_topics_the_error_gives_the_command() {
    let brokers = broker().await.brokers();
    let mut config = config(&brokers);
    config.topics.auto_create = false;
    config.topics.partitions = NonZeroU32::new(3);
    config
        .topics
        .config
        .insert("cleanup.policy".to_owned(), "delete".to_owned());
    let topic = orders(&config);
    let error = KafkaTopics::new(config.clone())
        .unwrap()
        .ensure(&topic)
        .await
        .unwrap_err();
    assert!(!error.is_retryable());
    assert_eq!(
        error.to_string(),
        format!(
            "topic {topic} does not exist, and topics are not created automatically; create it with: kafka-topics.sh \
             --bootstrap-server '{brokers}' --create --topic '{topic}' --partitions 3 --config 'cleanup.policy=delete'"
        )
    );
    let error = sink(&config).open().await.unwrap_err();
    assert!(
        error
            .to_string()
            .contains("walcast-checkpoints' --partitions 1 --config 'cleanup.policy=compact'"),
        "{error}"
    );
}

#[tokio::test]
async fn does_not_retry_settings_that_the_broker_rejects() {
    let brokers = broker().await.brokers();
    let mut config = config(&brokers);
    config
        .topics
        .config
        .insert("cleanup.policy".to_owned(), "sometimes".to_owned());
    let topic = orders(&config);
    let error = KafkaTopics::new(config.clone())
        .unwrap()
        .ensure(&topic)
        .await
        .unwrap_err();
    assert!(!error.is_retryable());
    assert!(
        error
            .to_string()
            .starts_with(&format!("topic {topic} cannot be created: ")),
        "{error}"
    );
}

/// Brokers that are down now can come back; at a start the fault is returned all the same.
#[tokio::test]
async fn retries_a_replication_factor_above_the_number_of_brokers() {
    let brokers = broker().await.brokers();
    let mut config = config(&brokers);
    config.topics.replication_factor = NonZeroU16::new(3);
    let topic = orders(&config);
    let error = KafkaTopics::new(config)
        .unwrap()
        .ensure(&topic)
        .await
        .unwrap_err();
    assert!(error.is_retryable(), "{error}");
    assert!(error.to_string().contains("InvalidReplicationFactor"), "{error}");
}

#[tokio::test]
async fn rejects_a_checkpoint_topic_with_several_partitions() {
    let brokers = broker().await.brokers();
    let config = config(&brokers);
    create(
        &brokers,
        &config.checkpoint_topic(),
        2,
        &[("cleanup.policy", "compact")],
    )
    .await;
    let error = sink(&config).open().await.unwrap_err();
    assert!(!error.is_retryable());
    assert!(error.to_string().contains("has 2 partitions"), "{error}");
}

#[tokio::test]
async fn rejects_a_checkpoint_topic_that_is_not_compacted() {
    let brokers = broker().await.brokers();
    let config = config(&brokers);
    create(&brokers, &config.checkpoint_topic(), 1, &[]).await;
    let error = sink(&config).open().await.unwrap_err();
    assert!(!error.is_retryable());
    assert!(error.to_string().contains("has cleanup.policy=delete"), "{error}");
    assert!(
        error.to_string().contains("--add-config cleanup.policy=compact"),
        "{error}"
    );
}

#[tokio::test]
async fn creates_a_compacted_checkpoint_topic_with_one_partition() {
    let brokers = broker().await.brokers();
    let mut config = config(&brokers);
    config.topics.partitions = NonZeroU32::new(6);
    let mut sink = sink(&config);
    sink.open().await.unwrap();
    sink.open().await.unwrap();
    assert_eq!(partitions_of(&brokers, &config.checkpoint_topic()).await, 1);
    assert_eq!(
        setting(&brokers, &config.checkpoint_topic(), "cleanup.policy")
            .await
            .as_deref(),
        Some("compact")
    );
}
