//! One transaction for records and checkpoint.

use walcast_delivery::{CheckpointStore, Sink};
use walcast_kafka::KafkaCheckpointStore;

use crate::support::{
    batch, broker, checkpoint, committed, config, decided, opened, orders, sink, uncommitted, update, values,
};

#[tokio::test]
async fn records_are_committed_with_the_checkpoint_and_not_before() {
    let brokers = broker().await.brokers();
    let config = config(&brokers);
    let topic = orders(&config);
    let mut sink = opened(&config, &topic).await;

    let cleared = sink.write(batch(&topic, 0..3)).await.unwrap();
    assert!(cleared.is_empty());
    sink.write(batch(&topic, 3..5)).await.unwrap();
    assert_eq!(committed(&brokers, &topic).await, []);
    assert_eq!(
        KafkaCheckpointStore::new(config.clone())
            .read()
            .await
            .unwrap()
            .current,
        None
    );

    sink.commit(&update(100)).await.unwrap();
    let seen = decided(&brokers, &topic).await;
    assert_eq!(values(&seen), [0, 1, 2, 3, 4]);
    assert_eq!(seen[4].key.as_deref(), Some("4"));
    assert_eq!(seen[4].headers, [("walcast.id".to_owned(), "4".to_owned())]);
    let log = KafkaCheckpointStore::new(config).read().await.unwrap();
    assert_eq!(log.current, Some(checkpoint(100)));
}

#[tokio::test]
async fn an_aborted_transaction_is_invisible_and_the_next_one_is_not() {
    let brokers = broker().await.brokers();
    let config = config(&brokers);
    let topic = orders(&config);
    let mut sink = opened(&config, &topic).await;
    sink.abort().await.unwrap();

    sink.write(batch(&topic, 0..1000)).await.unwrap();
    sink.abort().await.unwrap();
    sink.write(batch(&topic, 7..8)).await.unwrap();
    sink.commit(&update(100)).await.unwrap();

    assert_eq!(values(&decided(&brokers, &topic).await), [7]);
}

#[tokio::test]
async fn a_commit_may_hold_a_checkpoint_only() {
    let brokers = broker().await.brokers();
    let config = config(&brokers);
    let mut sink = sink(&config);
    assert_eq!(sink.open().await.unwrap().current, None);
    sink.commit(&update(100)).await.unwrap();
    sink.commit(&update(200)).await.unwrap();
    assert_eq!(sink.open().await.unwrap().current, Some(checkpoint(200)));
}

#[tokio::test]
async fn a_crash_leaves_the_last_checkpoint_and_nothing_of_the_open_transaction() {
    let brokers = broker().await.brokers();
    let config = config(&brokers);
    let topic = orders(&config);
    let mut crashed = opened(&config, &topic).await;
    crashed.write(batch(&topic, 0..2)).await.unwrap();
    crashed.commit(&update(100)).await.unwrap();
    crashed.write(batch(&topic, 2..4)).await.unwrap();
    drop(crashed);

    let mut next = sink(&config);
    assert_eq!(next.open().await.unwrap().current, Some(checkpoint(100)));
    next.write(batch(&topic, 2..5)).await.unwrap();
    next.commit(&update(200)).await.unwrap();
    assert_eq!(values(&decided(&brokers, &topic).await), [0, 1, 2, 3, 4]);
}

#[tokio::test]
async fn a_second_instance_fences_the_first() {
    let brokers = broker().await.brokers();
    let config = config(&brokers);
    let topic = orders(&config);
    let mut zombie = opened(&config, &topic).await;
    zombie.write(batch(&topic, 0..1)).await.unwrap();

    let mut second = sink(&config);
    second.open().await.unwrap();
    let error = match zombie.write(batch(&topic, 1..2)).await {
        Ok(_) => zombie.commit(&update(100)).await.unwrap_err(),
        Err(error) => error,
    };
    assert!(error.is_fenced(), "{error}");
    assert!(!error.is_retryable(), "{error}");
    assert_eq!(
        error.to_string(),
        format!(
            "fenced: another instance with walcast-{} has taken over",
            config.name
        )
    );

    second.write(batch(&topic, 5..6)).await.unwrap();
    second.commit(&update(300)).await.unwrap();
    let late = zombie.commit(&update(400)).await.unwrap_err();
    assert!(late.is_retryable(), "{late}");
    assert_eq!(values(&decided(&brokers, &topic).await), [5]);
    assert_eq!(second.open().await.unwrap().current, Some(checkpoint(300)));
}

#[tokio::test]
async fn a_zombie_with_nothing_open_is_fenced_at_its_next_commit() {
    let brokers = broker().await.brokers();
    let config = config(&brokers);
    let mut zombie = sink(&config);
    zombie.open().await.unwrap();
    let mut second = sink(&config);
    second.open().await.unwrap();
    let error = zombie.commit(&update(100)).await.unwrap_err();
    assert!(error.is_fenced(), "{error}");
    assert_eq!(second.open().await.unwrap().current, None);
}

#[tokio::test]
async fn two_hundred_thousand_records_pass_a_full_queue_into_one_transaction() {
    let brokers = broker().await.brokers();
    let mut config = config(&brokers);
    config.properties = crate::support::properties(&[("queue.buffering.max.messages", "500")]);
    let topic = orders(&config);
    let mut sink = opened(&config, &topic).await;
    let mut written = 0;
    while written < 200_000 {
        sink.write(batch(&topic, written..written + 50_000))
            .await
            .unwrap();
        written += 50_000;
    }
    assert_eq!(committed(&brokers, &topic).await, []);
    sink.commit(&update(100)).await.unwrap();
    let seen = values(&decided(&brokers, &topic).await);
    assert!(seen.iter().copied().eq(0..200_000), "{} records", seen.len());
    assert_eq!(uncommitted(&brokers, &topic).await.len(), 200_000);
}
