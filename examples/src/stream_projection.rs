//! A read model of the streams of an event store that begins with their snapshots, and continues with the events behind them.
//!
//! The connector writes the snapshots (`[[stream_snapshots]]`): each is the JSON merge patch of the events of its stream up to its version.
//! States and offsets change in one database transaction, so that each event is applied once.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::time::Duration;

use anyhow::{Context, bail};
use rdkafka::consumer::{Consumer, StreamConsumer};
use rdkafka::error::KafkaError;
use rdkafka::message::{BorrowedMessage, Message};
use rdkafka::{Offset, TopicPartitionList};
use serde_json::{Map, Value as Json};
use tokio_postgres::Client;

use crate::postgres::connect;
use crate::{Decoder, Source, header};

const TABLES: &str = "
    CREATE TABLE IF NOT EXISTS positions (topic text, partition int, next_offset bigint NOT NULL, PRIMARY KEY (topic, partition));
    CREATE TABLE IF NOT EXISTS streams (stream text PRIMARY KEY, version bigint NOT NULL, state text NOT NULL);";

/// Time for a question to the broker.
const LIMIT: Duration = Duration::from_secs(30);

/// Snapshots of a topic, and where the events behind them begin.
#[derive(Default)]
struct Snapshots {
    /// Version and state of each stream.
    streams: BTreeMap<String, (i64, String)>,
    /// Offset of the first event of each partition that no snapshot includes.
    next: BTreeMap<i32, i64>,
}

/// Begins the read model with the snapshots, unless it has begun. Returns the number of streams that were taken from them.
///
/// # Errors
/// Kafka, the registry or the database fails. Nothing was begun then.
pub async fn begin(source: &Source, database: &str) -> anyhow::Result<usize> {
    let mut client = connect(database, TABLES).await?;
    let begun = client
        .query("SELECT FROM positions WHERE topic = $1", &[&source.topic])
        .await?;
    if !begun.is_empty() {
        return Ok(0);
    }
    let snapshots = read_snapshots(source).await?;
    let consumer = source.consumer("walcast-stream-projection")?;
    let transaction = client.transaction().await?;
    for (stream, (version, state)) in &snapshots.streams {
        let insert = "INSERT INTO streams VALUES ($1, $2, $3)";
        transaction.execute(insert, &[stream, version, state]).await?;
    }
    for partition in partitions(&consumer, &source.topic)? {
        let next = snapshots.next.get(&partition).copied().unwrap_or(0);
        let insert = "INSERT INTO positions VALUES ($1, $2, $3)";
        transaction
            .execute(insert, &[&source.topic, &partition, &next])
            .await?;
    }
    transaction
        .commit()
        .await
        .context("the snapshots were not stored")?;
    Ok(snapshots.streams.len())
}

/// Begins the read model, and applies events until `stop` ends.
///
/// # Errors
/// Kafka, the registry or the database fails. A later run continues behind the last applied event.
pub async fn run(source: &Source, database: &str, stop: impl Future<Output = ()>) -> anyhow::Result<()> {
    begin(source, database).await?;
    let mut client = connect(database, TABLES).await?;
    // The group is required by the library, and stays empty.
    let consumer = source.consumer("walcast-stream-projection")?;
    let stored = "SELECT partition, next_offset FROM positions WHERE topic = $1";
    let mut assignment = TopicPartitionList::new();
    for row in client.query(stored, &[&source.topic]).await? {
        let offset = match row.get(1) {
            0 => Offset::Beginning,
            next => Offset::Offset(next),
        };
        assignment.add_partition_offset(&source.topic, row.get(0), offset)?;
    }
    consumer
        .assign(&assignment)
        .context("the partitions cannot be assigned")?;
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

/// Reads the topic of snapshots up to its present end; one that does not exist is empty.
async fn read_snapshots(source: &Source) -> anyhow::Result<Snapshots> {
    let topic = format!("{}.snapshots", source.topic);
    let consumer = source.reader("walcast-stream-projection")?;
    let mut unread: BTreeSet<i32> = partitions(&consumer, &topic)?.into_iter().collect();
    let mut assignment = TopicPartitionList::new();
    for partition in &unread {
        assignment.add_partition_offset(&topic, *partition, Offset::Beginning)?;
    }
    consumer
        .assign(&assignment)
        .context("the partitions cannot be assigned")?;
    let decoder = source.decoder();
    let mut snapshots = Snapshots::default();
    while !unread.is_empty() {
        match consumer.recv().await {
            Ok(record) => take(&decoder, &record, &mut snapshots).await?,
            Err(KafkaError::PartitionEOF(partition)) => {
                unread.remove(&partition);
            }
            Err(error) => return Err(error).context("the snapshots cannot be read"),
        }
    }
    Ok(snapshots)
}

async fn take(
    decoder: &Decoder,
    record: &BorrowedMessage<'_>,
    snapshots: &mut Snapshots,
) -> anyhow::Result<()> {
    let stream = decoder.json(record.key()).await?.to_string();
    let next = snapshots.next.entry(record.partition()).or_default();
    *next = (*next).max(number(record, "walcast.snapshot.next")?);
    match decoder.json(record.payload()).await? {
        Json::String(state) => {
            let version = number(record, "version")?;
            snapshots.streams.insert(stream, (version, state));
        }
        // A tombstone.
        _ => drop(snapshots.streams.remove(&stream)),
    }
    Ok(())
}

/// Applies an event and passes it, in one transaction.
async fn apply(client: &mut Client, decoder: &Decoder, record: &BorrowedMessage<'_>) -> anyhow::Result<()> {
    let stream = decoder.json(record.key()).await?.to_string();
    let payload = decoder.json(record.payload()).await?;
    let transaction = client.transaction().await?;
    if let Json::String(patch) = payload {
        let version = number(record, "version")?;
        let known = "SELECT version, state FROM streams WHERE stream = $1 FOR UPDATE";
        let known = transaction.query_opt(known, &[&stream]).await?;
        if known.as_ref().is_none_or(|row| row.get::<_, i64>(0) < version) {
            let mut state = match &known {
                Some(row) => serde_json::from_str(row.get(1))?,
                None => Json::Null,
            };
            merge_patch(&mut state, &serde_json::from_str(&patch)?);
            let upsert = "INSERT INTO streams VALUES ($1, $2, $3)
                ON CONFLICT (stream) DO UPDATE SET version = excluded.version, state = excluded.state";
            transaction
                .execute(upsert, &[&stream, &version, &state.to_string()])
                .await?;
        }
    } else {
        // A record without a value ends the stream.
        transaction
            .execute("DELETE FROM streams WHERE stream = $1", &[&stream])
            .await?;
    }
    let passed = "UPDATE positions SET next_offset = $3 WHERE topic = $1 AND partition = $2";
    let (topic, partition, offset) = (record.topic(), record.partition(), record.offset() + 1);
    transaction
        .execute(passed, &[&topic, &partition, &offset])
        .await?;
    transaction.commit().await.context("the event was not applied")
}

fn partitions(consumer: &StreamConsumer, topic: &str) -> anyhow::Result<Vec<i32>> {
    let metadata = consumer
        .fetch_metadata(Some(topic), LIMIT)
        .context("the partitions of the topic are not known")?;
    let partitions = metadata.topics().iter().flat_map(|topic| topic.partitions());
    Ok(partitions.map(|partition| partition.id()).collect())
}

fn number(record: &BorrowedMessage<'_>, name: &str) -> anyhow::Result<i64> {
    let value = header(record, name).and_then(|value| std::str::from_utf8(value).ok());
    match value.and_then(|value| value.parse().ok()) {
        Some(number) => Ok(number),
        None => bail!(
            "a record of {} has no number in its header {name}",
            record.topic()
        ),
    }
}

/// Applies a JSON merge patch (RFC 7396).
fn merge_patch(target: &mut Json, patch: &Json) {
    let Json::Object(changes) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = Json::Object(Map::new());
    }
    let Json::Object(members) = target else { return };
    for (name, change) in changes {
        match change {
            Json::Null => drop(members.remove(name)),
            change => merge_patch(members.entry(name.clone()).or_insert(Json::Null), change),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::merge_patch;

    #[test]
    fn patch_sets_replaces_and_removes_members() {
        let mut state = json!({"status": "placed", "note": "x", "address": {"city": "Berlin"}});
        merge_patch(
            &mut state,
            &json!({"note": null, "address": {"zip": "10115"}, "lines": [1]}),
        );
        let expected =
            json!({"status": "placed", "address": {"city": "Berlin", "zip": "10115"}, "lines": [1]});
        assert_eq!(state, expected);
    }
}
