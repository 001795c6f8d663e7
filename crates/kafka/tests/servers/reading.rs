//! Streaming reader of topics.

use std::num::NonZeroU32;
use std::time::Duration;

use walcast_delivery::Sink;
use walcast_kafka::{
    KafkaConfig, KafkaError, PartitionRange, ReadFrom, TopicIndex, TopicReader, TopicRecord, TopicSelection,
    topic_setting,
};
use walcast_testbed::has_open_transaction;

use crate::support::{batch, broker, config, opened, orders, update};

/// Limit of waiting for the broker.
const LIMIT: Duration = Duration::from_secs(60);

fn selection(topic: &str, partition: Option<i32>, from: ReadFrom) -> TopicSelection {
    TopicSelection {
        topic: topic.to_owned(),
        partition,
        from,
        doing: "reading a topic",
    }
}

async fn read(config: &KafkaConfig, selection: TopicSelection) -> Vec<TopicRecord> {
    let mut reader = TopicReader::start(config.clone(), selection);
    let mut records = Vec::new();
    while let Some(record) = reader.next().await.unwrap() {
        records.push(record);
    }
    records
}

/// Waits until the broker knows the transaction: it cannot abort one that it does not know.
async fn await_open_transaction(config: &KafkaConfig, topic: &str) {
    let topics = [topic.to_owned()];
    let open = async { while !has_open_transaction(&config.brokers, &topics).await.unwrap() {} };
    tokio::time::timeout(LIMIT, open).await.unwrap();
}

fn numbers(records: &[TopicRecord]) -> Vec<u32> {
    let number = |value: &[u8]| std::str::from_utf8(value).unwrap().parse().unwrap();
    records
        .iter()
        .map(|record| number(record.value.as_deref().unwrap()))
        .collect()
}

#[tokio::test]
async fn reads_committed_records_from_an_offset_or_a_time() {
    let config = config(&broker().await.brokers());
    let topic = orders(&config);
    let mut sink = opened(&config, &topic).await;
    sink.write(batch(&topic, 0..3)).await.unwrap();
    sink.commit(&update(100)).await.unwrap();
    sink.write(batch(&topic, 3..5)).await.unwrap();
    await_open_transaction(&config, &topic).await;
    sink.abort().await.unwrap();
    sink.write(batch(&topic, 5..7)).await.unwrap();
    sink.commit(&update(200)).await.unwrap();

    let all = read(&config, selection(&topic, None, ReadFrom::Beginning)).await;
    assert_eq!(numbers(&all), [0, 1, 2, 5, 6]);
    assert_eq!(all[3].key.as_deref(), Some(b"5".as_slice()));
    assert_eq!(all[3].headers, [("walcast.id".to_owned(), Some(b"5".to_vec()))]);

    let from_offset = ReadFrom::Offset(all[2].offset);
    let rest = read(&config, selection(&topic, Some(0), from_offset)).await;
    assert_eq!(numbers(&rest), [2, 5, 6]);
    let from_time = ReadFrom::Timestamp(all[3].timestamp.unwrap());
    let latest = read(&config, selection(&topic, None, from_time)).await;
    assert!(numbers(&latest).ends_with(&[5, 6]), "{latest:?}");
    let after_the_end = ReadFrom::Timestamp(all[4].timestamp.unwrap() + 3_600_000);
    assert_eq!(read(&config, selection(&topic, None, after_the_end)).await, []);
}

#[tokio::test]
async fn reads_one_partition_or_all_of_them() {
    let mut config = config(&broker().await.brokers());
    config.topics.partitions = NonZeroU32::new(3);
    let topic = orders(&config);
    let mut sink = opened(&config, &topic).await;
    sink.write(batch(&topic, 0..60)).await.unwrap();
    sink.commit(&update(100)).await.unwrap();

    let all = read(&config, selection(&topic, None, ReadFrom::Beginning)).await;
    let mut everything = numbers(&all);
    everything.sort_unstable();
    assert_eq!(everything, (0..60).collect::<Vec<u32>>());
    for partition in 0..3 {
        let one = read(&config, selection(&topic, Some(partition), ReadFrom::Beginning)).await;
        let mut expected = all.clone();
        expected.retain(|record| record.partition == partition);
        assert_eq!(one, expected);
    }
}

/// The reader holds a few batches and no more, however slowly records are taken.
#[tokio::test]
async fn reads_a_topic_larger_than_its_memory_and_can_be_dropped() {
    let config = config(&broker().await.brokers());
    let topic = orders(&config);
    let mut sink = opened(&config, &topic).await;
    for from in (0..200_000).step_by(50_000) {
        sink.write(batch(&topic, from..from + 50_000)).await.unwrap();
    }
    sink.commit(&update(100)).await.unwrap();
    let mut reader = TopicReader::start(config.clone(), selection(&topic, None, ReadFrom::Beginning));
    assert_eq!(reader.next().await.unwrap().unwrap().offset, 0);
    drop(reader);
    let mut reader = TopicReader::start(config, selection(&topic, None, ReadFrom::Beginning));
    let mut count = 0;
    while let Some(record) = reader.next().await.unwrap() {
        assert_eq!(record.offset, count);
        count += 1;
    }
    assert_eq!(count, 200_000);
}

#[tokio::test]
async fn reading_a_missing_topic_is_an_error() {
    let config = config(&broker().await.brokers());
    let mut reader = TopicReader::start(
        config.clone(),
        selection(&orders(&config), None, ReadFrom::Beginning),
    );
    let error = reader.next().await.unwrap_err();
    assert!(error.to_string().contains("does not exist"), "{error}");
}

#[tokio::test]
async fn an_index_finds_offsets_times_and_single_records() {
    let config = config(&broker().await.brokers());
    let topic = orders(&config);
    let mut sink = opened(&config, &topic).await;
    sink.write(batch(&topic, 0..3)).await.unwrap();
    sink.commit(&update(100)).await.unwrap();
    sink.write(batch(&topic, 3..5)).await.unwrap();
    await_open_transaction(&config, &topic).await;
    sink.abort().await.unwrap();
    sink.write(batch(&topic, 5..7)).await.unwrap();
    sink.commit(&update(200)).await.unwrap();

    let all = read(&config, selection(&topic, None, ReadFrom::Beginning)).await;
    let index = TopicIndex::new(config.clone(), topic.clone(), "reading a topic");
    let [range] = index.partitions().await.unwrap()[..] else {
        panic!("one partition");
    };
    let PartitionRange {
        partition,
        first,
        end,
    } = range;
    assert_eq!((partition, first), (0, 0));
    assert!(end > all[4].offset, "{range:?}");

    // Behind the third record are the mark of its transaction and the records of an aborted one.
    let next = index.record_at(0, all[2].offset + 1).await.unwrap().unwrap();
    assert_eq!(next, all[3]);
    assert_eq!(index.record_at(0, first).await.unwrap().unwrap(), all[0]);
    assert_eq!(index.record_at(0, all[4].offset + 1).await.unwrap(), None);
    for (offsets, expected) in [
        (first..end, Some(&all[0])),
        (all[2].offset + 1..end, Some(&all[3])),
        (all[2].offset + 1..all[3].offset, None),
        (all[4].offset + 1..end, None),
    ] {
        let found = index.original_in(0, offsets.clone()).await.unwrap();
        assert_eq!(found.as_ref(), expected, "{offsets:?}");
    }
    let latest = all[4].timestamp.unwrap();
    let [(0, Some(offset))] = index.offsets_at(latest).await.unwrap()[..] else {
        panic!("an offset");
    };
    assert!(offset <= all[4].offset);
    assert_eq!(index.offsets_at(latest + 3_600_000).await.unwrap(), [(0, None)]);

    let missing = TopicIndex::new(config.clone(), format!("{topic}.missing"), "reading a topic");
    let error = missing.partitions().await.unwrap_err();
    assert!(matches!(error, KafkaError::UnknownTopic { .. }), "{error:?}");
    let policy = topic_setting(&config, &topic, "cleanup.policy").await.unwrap();
    assert_eq!(policy.as_deref(), Some("delete"));
}

#[tokio::test]
async fn reads_committed_records_beside_an_open_transaction() {
    let config = config(&broker().await.brokers());
    let topic = orders(&config);
    let mut sink = opened(&config, &topic).await;
    sink.write(batch(&topic, 0..3)).await.unwrap();
    sink.commit(&update(100)).await.unwrap();
    sink.write(batch(&topic, 3..5)).await.unwrap();
    await_open_transaction(&config, &topic).await;

    let selected = selection(&topic, None, ReadFrom::Beginning);
    let mut reader = TopicReader::of_committed(config.clone(), selected);
    let mut records = Vec::new();
    while let Some(record) = reader.next().await.unwrap() {
        records.push(record);
    }
    assert_eq!(numbers(&records), [0, 1, 2]);
    sink.abort().await.unwrap();
}
