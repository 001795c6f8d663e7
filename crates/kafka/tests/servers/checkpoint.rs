//! The checkpoint and its history.

use std::collections::{BTreeMap, BTreeSet};

use rdkafka::ClientConfig;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use walcast_delivery::{
    CheckpointLog, CheckpointStore, CheckpointUpdate, CommitPosition, Partial, Restrictions, SchemaChanges,
    Sink,
};
use walcast_kafka::{KafkaCheckpointStore, KafkaError};
use walcast_pgoutput::{Lsn, Oid};

use crate::support::{LIMIT, broker, checkpoint, committed, config, sink, update};

#[tokio::test]
async fn a_topic_that_does_not_exist_holds_no_checkpoint() {
    let config = config(&broker().await.brokers());
    assert_eq!(
        KafkaCheckpointStore::new(config).read().await.unwrap(),
        CheckpointLog::default()
    );
}

#[tokio::test]
async fn history_is_kept_until_it_expires() {
    let config = config(&broker().await.brokers());
    let mut sink = sink(&config);
    sink.open().await.unwrap();
    for end_lsn in [100, 200, 300] {
        sink.commit(&CheckpointUpdate {
            enters_history: true,
            known_tables: (end_lsn == 200).then(|| BTreeSet::from([Oid::new(16_400)])),
            restrictions: (end_lsn == 200).then(Restrictions::default),
            schemas: SchemaChanges::new(),
            ..update(end_lsn)
        })
        .await
        .unwrap();
    }
    sink.commit(&CheckpointUpdate {
        expired: vec![Lsn::new(100)],
        ..update(400)
    })
    .await
    .unwrap();

    let expected = CheckpointLog {
        current: Some(checkpoint(400)),
        history: BTreeMap::from([(Lsn::new(200), checkpoint(200)), (Lsn::new(300), checkpoint(300))]),
        known_tables: Some(BTreeSet::from([Oid::new(16_400)])),
        restrictions: Some(Restrictions::default()),
        schemas: BTreeMap::new(),
        partitions: BTreeMap::new(),
        quarantines: BTreeMap::new(),
        polled_by: BTreeSet::new(),
    };
    assert_eq!(
        KafkaCheckpointStore::new(config.clone()).read().await.unwrap(),
        expected
    );
    assert_eq!(sink.open().await.unwrap(), expected);

    sink.delete_checkpoint(&expected).await.unwrap();
    assert_eq!(
        KafkaCheckpointStore::new(config).read().await.unwrap(),
        CheckpointLog::default()
    );
}

#[tokio::test]
async fn checkpoint_is_readable_json_and_keeps_every_field() {
    let brokers = broker().await.brokers();
    let config = config(&brokers);
    let mut sink = sink(&config);
    sink.open().await.unwrap();
    let mut update = update(0x16_B3748);
    update.current.last_commit = Some(CommitPosition {
        commit_lsn: Lsn::new(0x16_B3700),
        end_lsn: Lsn::new(0x16_B3748),
        commit_time_unix_micros: 1_700_000_000_123_456,
        xid: 4_000_000_000,
    });
    update.current.partial = Some(Partial {
        commit_lsn: Lsn::new(0x16_B9999),
        next_ordinal: 12,
    });
    sink.commit(&update).await.unwrap();
    assert_eq!(sink.open().await.unwrap().current, Some(update.current));

    let seen = committed(&brokers, &format!("{}.walcast-checkpoints", config.name)).await;
    assert_eq!(seen[0].key.as_deref(), Some(config.name.as_str()));
    let value = seen[0].value.as_deref().unwrap();
    assert!(value.contains(r#""end_lsn":"0/16B3748""#), "{value}");
}

#[tokio::test]
async fn connectors_that_share_a_topic_do_not_see_each_other() {
    let brokers = broker().await.brokers();
    let mine = config(&brokers);
    let mut other = config(&brokers);
    other.topic_prefix.clone_from(&mine.topic_prefix);
    other.name = format!("{}2", mine.name);
    let (mut my_sink, mut other_sink) = (sink(&mine), sink(&other));
    my_sink.open().await.unwrap();
    other_sink.open().await.unwrap();
    my_sink
        .commit(&CheckpointUpdate {
            enters_history: true,
            ..update(100)
        })
        .await
        .unwrap();
    other_sink
        .commit(&CheckpointUpdate {
            enters_history: true,
            ..update(200)
        })
        .await
        .unwrap();
    let log = my_sink.open().await.unwrap();
    assert_eq!(log.current, Some(checkpoint(100)));
    assert_eq!(log.history.len(), 1);
    assert_eq!(other_sink.open().await.unwrap().current, Some(checkpoint(200)));
}

/// Another connector died between its checkpoint record and its commit: readers of committed records see nothing after it.
#[tokio::test]
async fn waits_for_a_checkpoint_behind_an_open_transaction() {
    let brokers = broker().await.brokers();
    let config = config(&brokers);
    let topic = format!("{}.walcast-checkpoints", config.name);
    let mut sink = sink(&config);
    sink.open().await.unwrap();
    sink.commit(&update(100)).await.unwrap();

    let foreign = foreign_producer(&brokers, &format!("foreign-{}", config.name));
    let producing = foreign.clone_into_transaction(&topic);
    sink.commit(&update(200)).await.unwrap();
    let store = KafkaCheckpointStore::new(config.clone());
    // Nothing is waited for by `peek`, which sees what precedes the open transaction.
    assert_eq!(store.peek().await.unwrap().current, Some(checkpoint(100)));
    let reading = tokio::spawn(async move { store.read().await });
    tokio::task::spawn_blocking(move || producing.commit_transaction(LIMIT).unwrap())
        .await
        .unwrap();
    assert_eq!(reading.await.unwrap().unwrap().current, Some(checkpoint(200)));
}

#[tokio::test]
async fn checkpoint_that_stays_hidden_is_an_error_and_never_an_older_one() {
    let brokers = broker().await.brokers();
    let config = config(&brokers);
    let topic = format!("{}.walcast-checkpoints", config.name);
    let mut sink = sink(&config);
    sink.open().await.unwrap();
    sink.commit(&update(100)).await.unwrap();
    let open = foreign_producer(&brokers, &format!("foreign-{}", config.name)).clone_into_transaction(&topic);
    sink.commit(&update(200)).await.unwrap();

    let error = sink.open().await.unwrap_err();
    assert!(error.is_retryable());
    assert!(
        error
            .to_string()
            .contains("another producer's transaction has been open"),
        "{error}"
    );
    tokio::task::spawn_blocking(move || open.abort_transaction(LIMIT).unwrap())
        .await
        .unwrap();
    assert_eq!(sink.open().await.unwrap().current, Some(checkpoint(200)));
}

#[tokio::test]
async fn rejects_a_checkpoint_of_a_later_version() {
    let brokers = broker().await.brokers();
    let config = config(&brokers);
    sink(&config).open().await.unwrap();
    put(
        &brokers,
        &config.checkpoint_topic(),
        &config.name,
        r#"{"version":2,"lsn":17}"#,
    )
    .await;
    let error = KafkaCheckpointStore::new(config.clone())
        .read()
        .await
        .unwrap_err();
    assert!(
        matches!(
            error.as_error().downcast_ref(),
            Some(KafkaError::CheckpointVersion { found: 2, known: 1 })
        ),
        "{error}"
    );
    let error = sink(&config).open().await.unwrap_err();
    assert!(!error.is_retryable());

    put(&brokers, &config.checkpoint_topic(), &config.name, "not json").await;
    let error = sink(&config).open().await.unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with(&format!("the checkpoint record {} cannot be read", config.name)),
        "{error}"
    );
}

struct Foreign(BaseProducer);

impl Foreign {
    /// Writes a record and leaves its transaction open.
    fn clone_into_transaction(self, topic: &str) -> BaseProducer {
        let producer = self.0;
        producer.begin_transaction().unwrap();
        producer
            .send(BaseRecord::to(topic).key("foreign").payload("{}"))
            .map_err(|(error, _)| error)
            .unwrap();
        producer.flush(LIMIT).unwrap();
        producer
    }
}

fn foreign_producer(brokers: &str, transactional_id: &str) -> Foreign {
    let producer: BaseProducer = ClientConfig::new()
        .set("bootstrap.servers", brokers)
        .set("transactional.id", transactional_id)
        // Open for as long as the test takes on a busy machine.
        .set("transaction.timeout.ms", "600000")
        .create()
        .unwrap();
    producer.init_transactions(LIMIT).unwrap();
    Foreign(producer)
}

async fn put(brokers: &str, topic: &str, key: &str, value: &str) {
    let producer: BaseProducer = ClientConfig::new()
        .set("bootstrap.servers", brokers)
        .create()
        .unwrap();
    producer
        .send(BaseRecord::to(topic).key(key).payload(value))
        .map_err(|(error, _)| error)
        .unwrap();
    tokio::task::spawn_blocking(move || producer.flush(LIMIT).unwrap())
        .await
        .unwrap();
}
