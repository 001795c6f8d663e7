//! Keys go where the Java client sends them.

use std::num::NonZeroU32;
use std::sync::Arc;

use walcast_delivery::Sink;
use walcast_mapper::RecordBuffer;

use crate::support::{broker, config, decided, opened, orders, update};

/// Keys and their murmur2 hashes, from Kafka's own test of its partitioner
/// (<https://github.com/apache/kafka/blob/trunk/clients/src/test/java/org/apache/kafka/common/utils/UtilsTest.java>).
const HASHES: [(&str, i32); 7] = [
    ("21", -973_932_308),
    ("foobar", -790_332_482),
    ("a-little-bit-long-string", -985_981_536),
    ("a-little-bit-longer-string", -1_486_304_829),
    ("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58_897_971),
    ("abc", 479_470_107),
    ("", 275_646_681),
];

#[tokio::test]
async fn a_key_goes_to_the_partition_that_the_java_client_would_choose() {
    const PARTITIONS: i32 = 7;
    let brokers = broker().await.brokers();
    let mut config = config(&brokers);
    config.topics.partitions = NonZeroU32::new(7);
    let topic: Arc<str> = orders(&config).into();
    let mut sink = opened(&config, &topic).await;
    let mut batch = RecordBuffer::new();
    for (key, _) in HASHES {
        batch.push(&topic, Some(key.as_bytes()), Some(b"1"), []);
    }
    sink.write(batch).await.unwrap();
    sink.commit(&update(100)).await.unwrap();

    let seen = decided(&brokers, &topic).await;
    for (key, hash) in HASHES {
        let record = seen.iter().find(|seen| seen.key.as_deref() == Some(key)).unwrap();
        // As the Java client takes a hash to a partition: without its sign bit, modulo the number of partitions.
        assert_eq!(record.partition, (hash & i32::MAX) % PARTITIONS, "key {key:?}");
    }
}

#[tokio::test]
async fn empty_and_missing_keys_and_values_stay_apart() {
    let brokers = broker().await.brokers();
    let config = config(&brokers);
    let topic: Arc<str> = orders(&config).into();
    let mut sink = opened(&config, &topic).await;
    let mut batch = RecordBuffer::new();
    batch.push(&topic, None, Some(b""), []);
    batch.push(&topic, Some(b""), None, []);
    sink.write(batch).await.unwrap();
    sink.commit(&update(100)).await.unwrap();
    let seen: Vec<_> = decided(&brokers, &topic)
        .await
        .into_iter()
        .map(|seen| (seen.key, seen.value))
        .collect();
    assert_eq!(seen, [(None, Some(String::new())), (Some(String::new()), None)]);
}
