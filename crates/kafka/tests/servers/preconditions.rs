//! Preconditions on Kafka and the registry.

use walcast_delivery::{Precondition, PreconditionOutcome, Sink};
use walcast_kafka::{RegistryAuth, RegistryConfig, RegistryTls, preconditions};

use crate::support::{await_decided, batch, broker, checkpoint, config, opened, orders, properties, update};

fn outcome<'a>(found: &'a [Precondition], name: &str) -> &'a PreconditionOutcome {
    &found
        .iter()
        .find(|found| found.name == name)
        .unwrap_or_else(|| panic!("{name} in {found:?}"))
        .outcome
}

/// State that a precondition that holds has found.
fn held<'a>(found: &'a [Precondition], name: &str) -> &'a str {
    match outcome(found, name) {
        PreconditionOutcome::Holds(found) => found,
        other => panic!("{name}: {other:?}"),
    }
}

/// Text of the error with which a check ended.
fn error(found: &[Precondition], name: &str) -> String {
    match outcome(found, name) {
        PreconditionOutcome::Error(error) => error.to_string(),
        other => panic!("{name}: {other:?}"),
    }
}

#[tokio::test]
async fn checks_beside_a_running_instance_do_not_disturb_it() {
    let brokers = broker().await.brokers();
    let config = config(&brokers);
    let topic = orders(&config);
    let missing = format!("{}.public.items", config.name);
    let mut running = opened(&config, &topic).await;
    running.commit(&update(0x100)).await.unwrap();
    // The checks do not wait for what the broker has acknowledged and not yet written to the partition.
    await_decided(&brokers, &config.checkpoint_topic()).await;
    running.write(batch(&topic, 0..1)).await.unwrap();

    let found = preconditions(&config, None, &[topic.clone(), missing.clone()]).await;
    assert_eq!(held(&found, "kafka brokers"), brokers);
    assert_eq!(
        held(&found, "checkpoint topic"),
        format!("{}, checkpoint at 0/100", config.checkpoint_topic())
    );
    assert_eq!(held(&found, &format!("topic {topic}")), "exists, partitions: 1");
    assert_eq!(held(&found, &format!("topic {missing}")), "will be created");
    assert!(
        found
            .iter()
            .all(|found| matches!(found.outcome, PreconditionOutcome::Holds(_))),
        "{found:?}"
    );

    running.commit(&update(0x200)).await.unwrap();
    assert_eq!(running.open().await.unwrap().current, Some(checkpoint(0x200)));
    let mut without_creation = config.clone();
    without_creation.topics.auto_create = false;
    let found = preconditions(&without_creation, None, std::slice::from_ref(&missing)).await;
    let why = error(&found, &format!("topic {missing}"));
    assert!(why.contains("--create"), "{why}");
}

#[tokio::test]
async fn names_the_server_that_does_not_answer() {
    // A port that was free a moment ago: no server listens on it.
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    drop(listener);
    let config = config(&address);
    let registry = RegistryConfig {
        url: format!("http://{address}"),
        auth: RegistryAuth::None,
        tls: RegistryTls::default(),
        proxy: None,
        auto_register: true,
    };
    let found = preconditions(&config, Some(&registry), &["orders".to_owned()]).await;
    let why = error(&found, "kafka brokers");
    assert!(why.contains(&address) && why.contains("refused"), "{why}");
    let why = error(&found, "schema registry");
    assert!(why.starts_with("no answer from"), "{why}");
    assert!(
        found.iter().all(|found| !found.name.starts_with("topic")),
        "{found:?}"
    );
}

#[tokio::test]
async fn reports_properties_that_contradict_each_other() {
    let mut config = config(&broker().await.brokers());
    config.properties = properties(&[
        ("security.protocol", "ssl"),
        ("ssl.ca.location", "/does/not/exist.pem"),
    ]);
    let found = preconditions(&config, None, &[]).await;
    let why = error(&found, "kafka client");
    assert!(why.contains("ssl.ca.location"), "{why}");
}
