//! Failures between a write and its commit.

use std::sync::Arc;
use std::time::Duration;

use walcast_delivery::{Detail, Disposition, Sink};
use walcast_kafka::KafkaError;
use walcast_mapper::dead_letter::DeadLetterReason;
use walcast_mapper::{Header, RecordBuffer};
use walcast_testbed::wait_until;

use crate::support::{
    batch, broker, checkpoint, committed, config, decided, ensure, opened, orders, own_broker, properties,
    sink, update, values,
};

#[tokio::test]
async fn error_of_a_record_above_the_limit_names_topic_and_size() {
    let brokers = broker().await.brokers();
    let mut config = config(&brokers);
    let topic: Arc<str> = orders(&config).into();
    ensure(&config, &topic).await;
    // The first is too large for the client, the second for the broker only.
    for (allowed, bytes) in [("1000000", 1_500_000), ("5000000", 3_000_000)] {
        config.properties = properties(&[("message.max.bytes", allowed)]);
        let mut sink = sink(&config);
        sink.open().await.unwrap();
        let mut large = RecordBuffer::new();
        large.push(&topic, Some(b"k"), Some(&vec![7; bytes]), []);
        let error = match sink.write(large).await {
            Ok(_) => sink.commit(&update(100)).await.unwrap_err(),
            Err(error) => error,
        };
        assert!(!error.is_retryable(), "{error}");
        let text = error.to_string();
        assert!(
            text.starts_with(&format!("a record of {} bytes for topic {topic}", bytes + 1)),
            "{text}"
        );
        let too_large = error.as_error().downcast_ref();
        assert!(
            matches!(too_large, Some(KafkaError::RecordTooLarge { .. })),
            "{text}"
        );

        sink.abort().await.unwrap();
        sink.open().await.unwrap();
        sink.write(batch(&topic, 1..2)).await.unwrap();
        sink.commit(&update(200)).await.unwrap();
        assert_eq!(sink.open().await.unwrap().current, Some(checkpoint(200)));
    }
    assert_eq!(values(&committed(&brokers, &topic).await), [1, 1]);
}

/// The record is named if its request holds no other: librdkafka reports all records of a request with one invalid record alike.
#[tokio::test]
async fn error_of_a_record_that_the_topic_does_not_take_names_the_record() {
    let brokers = broker().await.brokers();
    let mut config = config(&brokers);
    let policy = ("cleanup.policy".to_owned(), "compact".to_owned());
    config.topics.config.extend([policy]);
    let topic: Arc<str> = orders(&config).into();
    let mut sink = opened(&config, &topic).await;
    let id = "0/16B3748/3";
    let reason = DeadLetterReason::Mapping;
    for (others, record, detail) in [
        (0..3, "a record".to_owned(), None),
        (
            0..0,
            format!("record {id} (walcast.id), which has no key,"),
            Some(Detail::RejectedRecord { id, reason }),
        ),
    ] {
        let mut records = batch(&topic, others);
        let header = Header {
            name: "walcast.id",
            value: Some(id.as_bytes()),
        };
        records.push(&topic, None, Some(b"truncated"), [header]);
        let error = match sink.write(records).await {
            Ok(_) => sink.commit(&update(100)).await.unwrap_err(),
            Err(error) => error,
        };
        assert_eq!(error.disposition(), Disposition::Halt);
        let wanted = format!(
            "the broker rejects {record} for topic {topic}: InvalidRecord (Broker: Broker failed to validate record)"
        );
        assert_eq!(error.to_string(), wanted);
        assert_eq!(error.detail(), detail);
        sink.abort().await.unwrap();
        sink.open().await.unwrap();
    }
    sink.write(batch(&topic, 1..2)).await.unwrap();
    sink.commit(&update(200)).await.unwrap();
    assert_eq!(values(&decided(&brokers, &topic).await), [1]);
}

#[tokio::test]
async fn broker_restart_between_write_and_commit_neither_loses_nor_duplicates_records() {
    let mut kafka = own_broker().await;
    let brokers = kafka.brokers();
    let config = config(&brokers);
    let topic = orders(&config);
    let mut sink = opened(&config, &topic).await;
    sink.write(batch(&topic, 0..10)).await.unwrap();
    sink.commit(&update(100)).await.unwrap();
    sink.write(batch(&topic, 10..20)).await.unwrap();

    kafka.kill().unwrap();
    kafka.start_again().await.unwrap();
    let result = sink.commit(&update(200)).await;
    let current = open_again(&mut sink).await;
    match result {
        Ok(()) => assert_eq!(current, 200),
        Err(error) => assert!(error.is_retryable(), "{error}"),
    }
    let expected: Vec<u32> = (0..if current == 200 { 20 } else { 10 }).collect();
    assert_eq!(values(&committed(&brokers, &topic).await), expected);

    let from = u32::try_from(expected.len()).unwrap();
    sink.write(batch(&topic, from..30)).await.unwrap();
    sink.commit(&update(300)).await.unwrap();
    assert!(values(&decided(&brokers, &topic).await).into_iter().eq(0..30));
}

/// Opens as the connector does, again and again, and returns the position.
async fn open_again(sink: &mut walcast_kafka::KafkaSink) -> u64 {
    let mut current = None;
    wait_until("the sink opens again", Duration::from_secs(240), async || {
        match sink.open().await {
            Ok(log) => current = Some(log.current.unwrap().end_lsn.as_u64()),
            Err(error) => assert!(error.is_retryable(), "{error}"),
        }
        Ok(current.is_some())
    })
    .await
    .unwrap();
    current.unwrap()
}

#[tokio::test]
async fn retries_a_timed_out_transaction_and_does_not_report_fencing() {
    let brokers = broker().await.brokers();
    let mut config = config(&brokers);
    // Longer than a busy machine stands still between a write and its commit.
    config.transaction_timeout = Duration::from_secs(10);
    let topic = orders(&config);
    let mut sink = opened(&config, &topic).await;
    sink.commit(&update(100)).await.unwrap();

    let mut failure = None;
    // The transaction never ends on its own: the broker aborts it.
    wait_until(
        "the transaction is timed out",
        Duration::from_secs(240),
        async || {
            failure = sink.write(batch(&topic, 0..1)).await.err();
            Ok(failure.is_some())
        },
    )
    .await
    .unwrap();
    let failure = failure.unwrap();
    assert!(failure.is_retryable() && !failure.is_fenced(), "{failure}");
    assert!(
        failure.to_string().contains("transaction.timeout.ms"),
        "{failure}"
    );
    assert_eq!(sink.open().await.unwrap().current, Some(checkpoint(100)));
    sink.write(batch(&topic, 5..6)).await.unwrap();
    sink.commit(&update(200)).await.unwrap();
    assert_eq!(values(&decided(&brokers, &topic).await), [5]);
}

#[tokio::test]
async fn cancels_a_commit_to_a_silent_broker_and_stops_quickly() {
    let mut kafka = own_broker().await;
    let config = config(&kafka.brokers());
    let topic = orders(&config);
    let mut sink = opened(&config, &topic).await;
    sink.commit(&update(100)).await.unwrap();
    sink.write(batch(&topic, 0..1)).await.unwrap();

    kafka.pause().unwrap();
    // The caller cancels this commit after a while: the thread must not hang on it.
    let cancelled = tokio::time::timeout(Duration::from_millis(300), sink.commit(&update(200))).await;
    assert!(cancelled.is_err());
    let error = sink.write(batch(&topic, 1..2)).await.unwrap_err();
    assert!(error.to_string().contains("not open"), "{error}");
    kafka.resume().unwrap();
    let current = open_again(&mut sink).await;
    assert!(current == 100 || current == 200, "{current}");
    let seen = values(&committed(&kafka.brokers(), &topic).await);
    assert_eq!(seen, if current == 200 { vec![0] } else { vec![] });
}

#[tokio::test]
async fn retries_an_address_without_a_broker() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    drop(listener);
    let error = sink(&config(&address)).open().await.unwrap_err();
    assert!(error.is_retryable());
    assert!(
        error.to_string().contains(&format!("no answer from {address}")),
        "{error}"
    );
    assert!(error.to_string().contains("Connection refused"), "{error}");
}

#[tokio::test]
async fn writing_before_opening_is_an_error() {
    let config = config(&broker().await.brokers());
    let error = sink(&config).write(batch("orders", 0..1)).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "the producer is not open: writing needs a successful open first"
    );
    sink(&config).abort().await.unwrap();
}
