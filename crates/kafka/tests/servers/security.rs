//! Brokers with TLS, authentication and authorization.

use std::time::Duration;

use tokio::sync::OnceCell;
use walcast_delivery::{BoxedPortError, CheckpointStore, PreconditionOutcome, Sink, Topics};
use walcast_kafka::{
    KafkaCheckpointStore, KafkaConfig, KafkaError, KafkaProperties, KafkaTopics, preconditions,
    read_dead_letters, resolve_dead_letters,
};
use walcast_testbed::{Kafka, KafkaOptions, KafkaSecurity};

use crate::support::{
    batch, checkpoint, committed, config, decided, ensure, opened, orders, properties, sink, update, values,
};

/// Password that does not appear in an error by chance.
const PASSWORD: &str = "correct-horse-battery";
const WRONG_PASSWORD: &str = "wrong-horse-battery";

/// A broker where `owner` may do everything with topics and transactional ids, and no other user has a permission yet.
async fn secured_broker() -> &'static Kafka {
    static BROKER: OnceCell<Kafka> = OnceCell::const_new();
    BROKER
        .get_or_init(|| async {
            let security = ["owner", "stranger", "typist", "reader", "clerk", "postman"]
                .into_iter()
                .fold(
                    KafkaSecurity {
                        authorize: true,
                        ..KafkaSecurity::default()
                    },
                    |security, user| security.with_user(user, PASSWORD),
                );
            let options = KafkaOptions {
                security: Some(security),
                ..KafkaOptions::default()
            }
            .with_property("auto.create.topics.enable", "false");
            let kafka = Kafka::start(options).await.unwrap();
            for resource in ["--topic", "--transactional-id"] {
                kafka.grant("owner", &["All"], resource, "*").await.unwrap();
            }
            kafka
        })
        .await
}

fn login(kafka: &Kafka, mechanism: &str, user: &str, password: &str) -> KafkaProperties {
    let authority = kafka.tls().unwrap().ca();
    properties(&[
        ("security.protocol", "SASL_SSL"),
        ("sasl.mechanism", mechanism),
        ("sasl.username", user),
        ("sasl.password", password),
        ("ssl.ca.location", authority.to_str().unwrap()),
    ])
}

/// Configuration of a connector that authenticates as `user`.
fn config_of(kafka: &Kafka, user: &str) -> KafkaConfig {
    let mut config = config(&kafka.sasl_brokers());
    config.properties = login(kafka, "SCRAM-SHA-512", user, PASSWORD);
    config
}

/// The first thing that fails, of what a connector does until its first commit.
async fn first_fault(config: &KafkaConfig, topic: &str) -> BoxedPortError {
    let trying = async {
        let mut sink = sink(config);
        sink.open().await?;
        KafkaTopics::new(config.clone())?.ensure(topic).await?;
        sink.write(batch(topic, 0..3)).await?;
        sink.commit(&update(100)).await
    };
    tokio::time::timeout(Duration::from_secs(120), trying)
        .await
        .expect("what cannot succeed does not hang")
        .unwrap_err()
}

fn assert_one_line_without_secret(text: &str) {
    assert!(!text.contains('\n'), "{text}");
    assert!(
        !text.contains(PASSWORD) && !text.contains(WRONG_PASSWORD),
        "{text}"
    );
}

#[tokio::test]
async fn records_are_written_exactly_once_by_either_mechanism() {
    let kafka = secured_broker().await;
    for mechanism in ["SCRAM-SHA-512", "PLAIN"] {
        let mut config = config(&kafka.sasl_brokers());
        config.properties = login(kafka, mechanism, "owner", PASSWORD);
        let topic = orders(&config);
        let mut sink = opened(&config, &topic).await;
        sink.write(batch(&topic, 0..3)).await.unwrap();
        sink.commit(&update(100)).await.unwrap();
        sink.write(batch(&topic, 3..5)).await.unwrap();
        sink.abort().await.unwrap();
        assert_eq!(sink.open().await.unwrap().current, Some(checkpoint(100)));
        assert_eq!(values(&committed(&kafka.brokers(), &topic).await), [0, 1, 2]);

        let found = preconditions(&config, None, std::slice::from_ref(&topic)).await;
        assert!(
            found
                .iter()
                .all(|found| matches!(found.outcome, PreconditionOutcome::Holds(_))),
            "{found:?}"
        );
    }
}

#[tokio::test]
async fn records_are_written_over_tls_alone() {
    let kafka = secured_broker().await;
    let mut config = config(&kafka.tls_brokers());
    let authority = kafka.tls().unwrap().ca();
    config.properties = properties(&[
        ("security.protocol", "SSL"),
        ("ssl.ca.location", authority.to_str().unwrap()),
    ]);
    let topic = orders(&config);
    let mut sink = opened(&config, &topic).await;
    sink.write(batch(&topic, 0..3)).await.unwrap();
    sink.commit(&update(100)).await.unwrap();
    assert_eq!(values(&decided(&kafka.brokers(), &topic).await), [0, 1, 2]);
}

#[tokio::test]
async fn a_wrong_password_is_refused_wherever_it_is_shown() {
    let kafka = secured_broker().await;
    for mechanism in ["SCRAM-SHA-512", "PLAIN"] {
        let mut config = config(&kafka.sasl_brokers());
        config.properties = login(kafka, mechanism, "owner", WRONG_PASSWORD);
        let topic = orders(&config);
        let opening = first_fault(&config, &topic).await;
        let creating = KafkaTopics::new(config.clone())
            .unwrap()
            .ensure(&topic)
            .await
            .unwrap_err();
        let reading: BoxedPortError = KafkaCheckpointStore::new(config.clone())
            .read()
            .await
            .unwrap_err();
        for fault in [opening, creating, reading] {
            let text = fault.to_string();
            assert!(!fault.is_retryable(), "{text}");
            assert!(text.contains("authentication with"), "{text}");
            let error = fault.as_error().downcast_ref();
            assert!(
                matches!(error, Some(KafkaError::Unauthenticated { .. })),
                "{text}"
            );
            assert_one_line_without_secret(&text);
        }
        let found = preconditions(&config, None, &[]).await;
        let brokers = found.iter().find(|found| found.name == "kafka brokers").unwrap();
        assert!(
            matches!(&brokers.outcome, PreconditionOutcome::Error(error) if error.to_string().contains("authentication with")),
            "{found:?}"
        );
        assert_one_line_without_secret(&format!("{found:?}"));
    }
}

#[tokio::test]
async fn rejects_a_certificate_of_an_unknown_authority() {
    let kafka = secured_broker().await;
    let mut config = config(&kafka.tls_brokers());
    // The CAs of the system do not include the CA of the test.
    config.properties = properties(&[("security.protocol", "SSL")]);
    let fault = first_fault(&config, &orders(&config)).await;
    let text = fault.to_string();
    assert!(!fault.is_retryable(), "{text}");
    assert!(
        text.starts_with("authentication with") || text.contains(": authentication with"),
        "{text}"
    );
    assert_one_line_without_secret(&text);
}

#[tokio::test]
async fn error_of_a_client_without_tls_points_to_the_security_protocol() {
    let kafka = secured_broker().await;
    let config = config(&kafka.tls_brokers());
    let fault = first_fault(&config, &orders(&config)).await;
    assert!(
        matches!(
            fault.as_error().downcast_ref(),
            Some(KafkaError::Unreachable {
                may_speak_another_protocol: true,
                ..
            })
        ),
        "{fault}"
    );
}

#[tokio::test]
async fn missing_permissions_name_the_first_one_to_grant() {
    let kafka = secured_broker().await;
    let config = config_of(kafka, "stranger");
    let fault = first_fault(&config, &orders(&config)).await;
    assert!(!fault.is_retryable(), "{fault}");
    assert_eq!(
        fault.to_string(),
        format!(
            "not allowed to Describe topic {0}; grant the connector's user Describe on topic {0}",
            config.checkpoint_topic()
        )
    );
}

#[tokio::test]
async fn missing_permission_to_create_topics_names_the_topic() {
    let kafka = secured_broker().await;
    let config = config_of(kafka, "reader");
    let topic = config.checkpoint_topic();
    kafka
        .grant("reader", &["Describe"], "--topic", &topic)
        .await
        .unwrap();
    let fault = first_fault(&config, &orders(&config)).await;
    assert!(!fault.is_retryable(), "{fault}");
    assert_eq!(
        fault.to_string(),
        format!("not allowed to Create topic {topic}; grant the connector's user Create on topic {topic}")
    );
}

#[tokio::test]
async fn missing_permission_on_the_transactional_id_names_it() {
    let kafka = secured_broker().await;
    let config = config_of(kafka, "typist");
    let topic = orders(&config);
    for topic in [&config.checkpoint_topic(), &topic] {
        kafka.grant("typist", &["All"], "--topic", topic).await.unwrap();
    }
    let fault = first_fault(&config, &topic).await;
    assert!(!fault.is_retryable(), "{fault}");
    assert_eq!(
        fault.to_string(),
        format!(
            "not allowed to Write transactional id {0}; grant the connector's user Write on transactional id {0}",
            config.transactional_id()
        )
    );
}

#[tokio::test]
async fn missing_permission_to_write_names_the_topic() {
    let kafka = secured_broker().await;
    let config = config_of(kafka, "reader");
    let topic = orders(&config);
    // The topic exists already, created by another user.
    let mut owner = config.clone();
    owner.properties = login(kafka, "SCRAM-SHA-512", "owner", PASSWORD);
    ensure(&owner, &topic).await;
    for (operations, resource, name) in [
        (vec!["All"], "--transactional-id", config.transactional_id()),
        (vec!["All"], "--topic", config.checkpoint_topic()),
        (vec!["Describe", "Read"], "--topic", topic.clone()),
    ] {
        kafka.grant("reader", &operations, resource, &name).await.unwrap();
    }
    let fault = first_fault(&config, &topic).await;
    assert!(!fault.is_retryable(), "{fault}");
    assert_eq!(
        fault.to_string(),
        format!("not allowed to Write topic {topic}; grant the connector's user Write on topic {topic}")
    );
}

/// The permissions that docs/configuration.md lists; none on a consumer group is needed.
#[tokio::test]
async fn documented_permissions_are_sufficient() {
    let kafka = secured_broker().await;
    let config = config_of(kafka, "clerk");
    let topic = orders(&config);
    for (operations, resource, name) in [
        (
            vec!["Write", "Describe"],
            "--transactional-id",
            config.transactional_id(),
        ),
        (
            vec!["Create", "Describe", "Read", "Write"],
            "--topic",
            config.checkpoint_topic(),
        ),
        (vec!["Create", "Describe", "Write"], "--topic", topic.clone()),
    ] {
        kafka.grant("clerk", &operations, resource, &name).await.unwrap();
    }
    let mut sink = opened(&config, &topic).await;
    sink.write(batch(&topic, 0..3)).await.unwrap();
    sink.commit(&update(100)).await.unwrap();
    assert_eq!(sink.open().await.unwrap().current, Some(checkpoint(100)));
    assert_eq!(values(&committed(&kafka.brokers(), &topic).await), [0, 1, 2]);
}

/// Any user that may write to the topic resolves dead letters, outside of transactions and without permissions on the cluster.
#[tokio::test]
async fn resolves_dead_letters_with_permission_to_write_and_read() {
    let kafka = secured_broker().await;
    let config = config_of(kafka, "postman");
    let letters = format!("{}.dead-letters", config.topic_prefix);
    kafka
        .grant("postman", &["Create", "Describe", "Read"], "--topic", &letters)
        .await
        .unwrap();
    let mut topics = KafkaTopics::new(config.clone()).unwrap();
    topics.ensure_dead_letters(&letters).await.unwrap();
    let ids: Vec<String> = (0..500).map(|number| format!("0/{number}/0")).collect();
    let refused = resolve_dead_letters(config.clone(), letters.clone(), ids.clone())
        .await
        .unwrap_err();
    let refused = refused.to_string();
    assert!(refused.starts_with("not allowed to Write topic"), "{refused}");
    kafka
        .grant("postman", &["Write"], "--topic", &letters)
        .await
        .unwrap();
    resolve_dead_letters(config.clone(), letters.clone(), ids)
        .await
        .unwrap();
    let written = committed(&kafka.brokers(), &letters).await;
    assert_eq!(
        written.iter().filter(|record| record.value.is_none()).count(),
        500
    );
    let left = read_dead_letters(config.clone(), letters, &config.name)
        .await
        .unwrap();
    assert!(left.is_empty(), "{left:?}");
}
