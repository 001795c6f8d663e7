//! Kafka transactions as they can be seen from outside.
//!
//! The end of a transaction takes one offset of each partition that it wrote to, which no reader gets as a record. So in a
//! partition that one transactional producer writes, records of one transaction have contiguous offsets, and between
//! transactions an offset is missing.

use serde_json::Value;
use walcast_testbed::{ChangeId, Kafka, RawRecord, TopicReader, has_open_transaction, read_topic};

use crate::{await_that, lsn};

/// A run of records with contiguous offsets: one committed Kafka transaction, in one partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KafkaTransaction {
    /// Offset of the first record.
    pub first_offset: i64,
    /// Number of records.
    pub records: u64,
    /// Identity of the first record.
    pub first: ChangeId,
    /// Identity of the last record.
    pub last: ChangeId,
}

/// A checkpoint, as written.
#[derive(Clone, Debug, PartialEq)]
pub struct CheckpointRecord {
    /// Its offset in the checkpoint topic.
    pub offset: i64,
    /// Position at which streaming would resume.
    pub end_lsn: u64,
    /// Commit position of the last transaction it covers, if one was delivered.
    pub last_commit_lsn: Option<u64>,
    /// The value.
    pub value: Value,
}

/// The Kafka transactions of a topic with one partition. Records are looked at one at a time.
pub async fn kafka_transactions(kafka: &Kafka, topic: &str) -> Vec<KafkaTransaction> {
    let mut transactions: Vec<KafkaTransaction> = Vec::new();
    let mut add = |record: RawRecord| {
        let RawRecord {
            partition, offset, ..
        } = record;
        assert_eq!(partition, 0, "{topic} has more than one partition");
        let id = record
            .change_id()
            .unwrap_or_else(|| panic!("no identity at {topic}@{offset}"));
        match transactions.last_mut() {
            Some(open) if open.first_offset.unsigned_abs() + open.records == offset.unsigned_abs() => {
                open.records += 1;
                open.last = id;
            }
            _ => transactions.push(KafkaTransaction {
                first_offset: offset,
                records: 1,
                first: id,
                last: id,
            }),
        }
    };
    let mut reader = TopicReader::new(&kafka.brokers(), [topic.to_owned()]);
    reader.scan_new(&mut add).await.unwrap();
    transactions
}

/// All current checkpoints that a connector of this name has written, in order, once no transaction is open: the broker
/// acknowledges a commit before it has written the end of the transaction to each partition.
pub async fn checkpoints(kafka: &Kafka, topic: &str, name: &str) -> Vec<CheckpointRecord> {
    let (brokers, topics) = (kafka.brokers(), [topic.to_owned()]);
    await_that("the end of the open transactions", async || {
        !has_open_transaction(&brokers, &topics).await.unwrap()
    })
    .await;
    let records = read_topic(&brokers, topic).await.unwrap();
    let of_name = |record: &&RawRecord| record.key.as_deref() == Some(name.as_bytes());
    records.iter().filter(of_name).filter_map(checkpoint).collect()
}

fn checkpoint(record: &RawRecord) -> Option<CheckpointRecord> {
    let value: Value = serde_json::from_slice(record.value.as_deref()?).unwrap();
    let position = |value: &Value| value.as_str().map(lsn);
    Some(CheckpointRecord {
        offset: record.offset,
        end_lsn: position(&value["end_lsn"]).unwrap_or_else(|| panic!("no end_lsn in {value}")),
        last_commit_lsn: position(&value["last_commit"]["commit_lsn"]),
        value,
    })
}
