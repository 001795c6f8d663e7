//! A read model in Postgres to which each change is applied exactly once.
//!
//! Offset, `walcast.id` and result are in one database transaction, so that no crash can separate them; the offsets of the consumer
//! group are not used. The row of the partition is locked first: of two instances, one applies a record and the other skips it.

use std::future::Future;
use std::time::Duration;

use anyhow::Context;
use rdkafka::consumer::{Consumer, StreamConsumer};
use rdkafka::message::{BorrowedMessage, Message};
use rdkafka::{Offset, TopicPartitionList};
use serde_json::Value as Json;
use tokio_postgres::{Client, Transaction};

use crate::postgres::connect;
use crate::{Decoder, ID_HEADER, RecordId, Source, header};

/// `changes` counts the changes of a key: a change that was applied twice would be visible.
const TABLES: &str = "
    CREATE TABLE IF NOT EXISTS positions (
        topic text, partition int, next_offset bigint NOT NULL, last_id text, PRIMARY KEY (topic, partition));
    CREATE TABLE IF NOT EXISTS rows (
        topic text, key text, row text, changes bigint NOT NULL, PRIMARY KEY (topic, key));";

/// Time for a question to the broker.
const LIMIT: Duration = Duration::from_secs(30);

/// Applies the records of the topic until `stop` ends.
///
/// # Errors
/// Kafka, the registry or the database fails. A later run continues behind the last applied record.
pub async fn run(source: &Source, database: &str, stop: impl Future<Output = ()>) -> anyhow::Result<()> {
    let mut client = connect(database, TABLES).await?;
    // The group is required by the library, and stays empty.
    let consumer = source.consumer("walcast-read-model")?;
    assign(&consumer, &source.topic, &client).await?;
    let decoder = source.decoder();
    let mut stop = std::pin::pin!(stop);
    loop {
        let record = tokio::select! {
            record = consumer.recv() => record.context("no record could be read")?,
            () = &mut stop => return Ok(()),
        };
        apply(&mut client, &decoder, &record).await?;
    }
}

/// Assigns all partitions, each from its stored offset.
async fn assign(consumer: &StreamConsumer, topic: &str, client: &Client) -> anyhow::Result<()> {
    let metadata = consumer
        .fetch_metadata(Some(topic), LIMIT)
        .context("the partitions of the topic are not known")?;
    let partitions = metadata.topics().iter().flat_map(|topic| topic.partitions());
    let mut assignment = TopicPartitionList::new();
    for partition in partitions {
        let begin = "INSERT INTO positions VALUES ($1, $2, 0) ON CONFLICT DO NOTHING";
        client.execute(begin, &[&topic, &partition.id()]).await?;
        let stored = "SELECT next_offset FROM positions WHERE topic = $1 AND partition = $2";
        let row = client.query_one(stored, &[&topic, &partition.id()]).await?;
        let offset = match row.get(0) {
            0 => Offset::Beginning,
            next => Offset::Offset(next),
        };
        assignment.add_partition_offset(topic, partition.id(), offset)?;
    }
    consumer
        .assign(&assignment)
        .context("the partitions cannot be assigned")
}

/// Applies a record and stores its position, or does neither.
async fn apply(client: &mut Client, decoder: &Decoder, record: &BorrowedMessage<'_>) -> anyhow::Result<()> {
    let (topic, partition, offset) = (record.topic(), record.partition(), record.offset());
    let key = decoder.json(record.key()).await?.to_string();
    let value = decoder.json(record.payload()).await?;
    let id = header(record, ID_HEADER).map(String::from_utf8_lossy);

    let transaction = client.transaction().await?;
    let locked = "SELECT next_offset, last_id FROM positions WHERE topic = $1 AND partition = $2 FOR UPDATE";
    let position = transaction.query_one(locked, &[&topic, &partition]).await?;
    if position.get::<_, i64>(0) > offset {
        // Another instance has applied the record.
        return Ok(());
    }
    let last_id: Option<String> = position.get(1);
    let is_repeated = is_repeated(id.as_deref(), last_id.as_deref());
    if !is_repeated {
        change_row(&transaction, topic, &key, &value).await?;
    }
    let new_id = id
        .as_deref()
        .filter(|id| !is_repeated && RecordId::parse(id.as_bytes()).is_some());
    let passed = "UPDATE positions SET next_offset = $3, last_id = coalesce($4, last_id) WHERE topic = $1 AND partition = $2";
    transaction
        .execute(passed, &[&topic, &partition, &(offset + 1), &new_id])
        .await?;
    transaction.commit().await.context("the record was not applied")
}

/// Whether the connector has repeated a change. Rows of a snapshot have identities of another form; they are upserts.
fn is_repeated(id: Option<&str>, last: Option<&str>) -> bool {
    let parse = |id: Option<&str>| id.and_then(|id| RecordId::parse(id.as_bytes()));
    match (parse(id), parse(last)) {
        (Some(id), Some(last)) => id <= last,
        _ => false,
    }
}

async fn change_row(
    transaction: &Transaction<'_>,
    topic: &str,
    key: &str,
    value: &Json,
) -> anyhow::Result<()> {
    // A tombstone follows the event of its delete, and is for compaction.
    if value.is_null() {
        return Ok(());
    }
    let row = Some(&value["after"])
        .filter(|row| !row.is_null())
        .map(Json::to_string);
    let upsert = "INSERT INTO rows VALUES ($1, $2, $3, 1)
        ON CONFLICT (topic, key) DO UPDATE SET row = excluded.row, changes = rows.changes + 1";
    transaction.execute(upsert, &[&topic, &key, &row]).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::is_repeated;

    #[test]
    fn changes_up_to_the_last_one_are_repeated() {
        for (id, last, expected) in [
            (Some("0/16B3748/1"), Some("0/16B3748/2"), true),
            (Some("0/16B3748/2"), Some("0/16B3748/2"), true),
            (Some("0/16B3748/2.1"), Some("0/16B3748/2"), false),
            (Some("0/16B3748/2"), None, false),
            // A row of a snapshot.
            (Some("0/16B3748/16384(0,1)"), Some("0/16B3748/2"), false),
            (None, Some("0/16B3748/2"), false),
        ] {
            assert_eq!(is_repeated(id, last), expected, "{id:?} {last:?}");
        }
    }
}
