//! What `walcast check` sees of Kafka and the registry.

use walcast_delivery::Sink;
use walcast_kafka::{Outcome, RegistryAuth, RegistryConfig, RegistryTls, preconditions};

use crate::support::{batch, broker, checkpoint, config, opened, orders, properties, update};

fn outcome<'a>(found: &'a [walcast_kafka::Precondition], name: &str) -> &'a Outcome {
    &found
        .iter()
        .find(|found| found.name == name)
        .unwrap_or_else(|| panic!("{name} in {found:?}"))
        .outcome
}

#[tokio::test]
async fn a_check_beside_a_running_instance_disturbs_nothing() {
    let brokers = broker().await.brokers();
    let config = config(&brokers);
    let topic = orders(&config);
    let missing = format!("{}.public.items", config.name);
    let mut running = opened(&config, &topic).await;
    running.commit(&update(0x100)).await.unwrap();
    running.write(batch(&topic, 0..1)).await.unwrap();

    let found = preconditions(&config, None, &[topic.clone(), missing.clone()]).await;
    assert_eq!(*outcome(&found, "kafka brokers"), Outcome::Holds(brokers.clone()));
    assert_eq!(
        *outcome(&found, "checkpoint topic"),
        Outcome::Holds(format!("{}, checkpoint at 0/100", config.checkpoint_topic()))
    );
    assert_eq!(
        *outcome(&found, &format!("topic {topic}")),
        Outcome::Holds("exists, partitions: 1".to_owned())
    );
    assert_eq!(
        *outcome(&found, &format!("topic {missing}")),
        Outcome::Holds("will be created".to_owned())
    );
    assert!(
        found
            .iter()
            .all(|found| matches!(found.outcome, Outcome::Holds(_))),
        "{found:?}"
    );

    running.commit(&update(0x200)).await.unwrap();
    assert_eq!(running.open().await.unwrap().current, Some(checkpoint(0x200)));
    let mut nothing_may_be_created = config.clone();
    nothing_may_be_created.topics.create = false;
    let found = preconditions(&nothing_may_be_created, None, std::slice::from_ref(&missing)).await;
    assert!(
        matches!(outcome(&found, &format!("topic {missing}")), Outcome::Fails(why) if why.contains("--create"))
    );
}

#[tokio::test]
async fn what_is_not_there_is_named() {
    // A port that was free a moment ago: nobody listens.
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let nobody = listener.local_addr().unwrap().to_string();
    drop(listener);
    let config = config(&nobody);
    let registry = RegistryConfig {
        url: format!("http://{nobody}"),
        auth: RegistryAuth::None,
        tls: RegistryTls::default(),
    };
    let found = preconditions(&config, Some(&registry), &["orders".to_owned()]).await;
    let Outcome::Fails(why) = outcome(&found, "kafka brokers") else {
        panic!("{found:?}")
    };
    assert!(why.contains(&nobody) && why.contains("refused"), "{why}");
    assert!(
        matches!(outcome(&found, "schema registry"), Outcome::Fails(why) if why.starts_with("no answer from"))
    );
    assert!(
        found.iter().all(|found| !found.name.starts_with("topic")),
        "{found:?}"
    );
}

#[tokio::test]
async fn properties_that_do_not_fit_together_are_told() {
    let mut config = config(&broker().await.brokers());
    config.properties = properties(&[
        ("security.protocol", "ssl"),
        ("ssl.ca.location", "/does/not/exist.pem"),
    ]);
    let found = preconditions(&config, None, &[]).await;
    assert!(
        matches!(outcome(&found, "kafka client"), Outcome::Fails(why) if why.contains("ssl.ca.location")),
        "{found:?}"
    );
}
