//! Projections of the lines of orders: each is a schema with its own tables and offsets, built from the beginning of the topic.
//!
//! A projection needs nothing but the topic, so that it can be dropped and built again, and another one can come at any time.

use std::future::Future;
use std::time::Duration;

use anyhow::Context;
use clap::ValueEnum;
use rdkafka::consumer::{Consumer, StreamConsumer};
use rdkafka::message::{BorrowedMessage, Message};
use rdkafka::{Offset, TopicPartitionList};
use tokio_postgres::Client;

use crate::postgres::connect;
use crate::{Decoder, Source};

/// Time for a question to the broker.
const LIMIT: Duration = Duration::from_secs(30);

/// What is projected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Projection {
    /// Pieces sold of each SKU
    Sales,
    /// Revenue of each SKU in the last 90 days
    Revenue,
}

impl Projection {
    /// Schema of the projection in the model.
    #[must_use]
    pub fn schema(self) -> &'static str {
        match self {
            Projection::Sales => "sales",
            Projection::Revenue => "revenue",
        }
    }

    /// View with the result.
    fn view(self) -> &'static str {
        match self {
            Projection::Sales => "SELECT sku, sum(quantity)::bigint AS pieces FROM lines GROUP BY sku",
            Projection::Revenue => {
                "SELECT sku, sum(quantity * price) AS revenue FROM lines WHERE placed > current_date - 90 GROUP BY sku"
            }
        }
    }

    fn tables(self) -> String {
        let (schema, view) = (self.schema(), self.view());
        format!(
            "CREATE SCHEMA IF NOT EXISTS {schema};
             SET search_path = {schema};
             CREATE TABLE IF NOT EXISTS positions (
                 topic text, partition int, next_offset bigint NOT NULL, PRIMARY KEY (topic, partition));
             CREATE TABLE IF NOT EXISTS lines (
                 key text PRIMARY KEY, sku text, quantity int, price numeric, placed date);
             CREATE OR REPLACE VIEW result AS {view};"
        )
    }
}

/// Drops a projection: the next run builds it from zero.
///
/// # Errors
/// The database fails.
pub async fn drop_schema(projection: Projection, database: &str) -> anyhow::Result<()> {
    let statement = format!("DROP SCHEMA IF EXISTS {} CASCADE", projection.schema());
    connect(database, &statement).await?;
    Ok(())
}

/// Applies the records of the topic until `stop` ends, from the beginning or behind those that were applied.
///
/// # Errors
/// Kafka, the registry or the database fails. A later run continues behind the last applied record.
pub async fn run(
    projection: Projection,
    source: &Source,
    database: &str,
    stop: impl Future<Output = ()>,
) -> anyhow::Result<()> {
    let mut client = connect(database, &projection.tables()).await?;
    // The group is required by the library, and stays empty.
    let consumer = source.consumer("walcast-projection")?;
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

async fn assign(consumer: &StreamConsumer, topic: &str, client: &Client) -> anyhow::Result<()> {
    let metadata = consumer
        .fetch_metadata(Some(topic), LIMIT)
        .context("the partitions of the topic are not known")?;
    let mut assignment = TopicPartitionList::new();
    for partition in metadata.topics().iter().flat_map(|topic| topic.partitions()) {
        let stored = "SELECT next_offset FROM positions WHERE topic = $1 AND partition = $2";
        let row = client.query_opt(stored, &[&topic, &partition.id()]).await?;
        let offset = row.map_or(Offset::Beginning, |row| Offset::Offset(row.get(0)));
        assignment.add_partition_offset(topic, partition.id(), offset)?;
    }
    consumer
        .assign(&assignment)
        .context("the partitions cannot be assigned")
}

/// Applies a record and passes it, in one transaction.
async fn apply(client: &mut Client, decoder: &Decoder, record: &BorrowedMessage<'_>) -> anyhow::Result<()> {
    let key = decoder.json(record.key()).await?.to_string();
    let value = decoder.json(record.payload()).await?;
    let transaction = client.transaction().await?;
    // The tombstone after a delete has no value, and says the same.
    if let Some(row) = value.get("after").filter(|row| !row.is_null()) {
        // A day is sent as the number of days since 1970.
        let upsert = "INSERT INTO lines SELECT $1::text, value->>'sku', (value->>'quantity')::int, (value->>'price')::numeric,
                date '1970-01-01' + (value->>'placed')::int FROM (SELECT $2::text::json AS value) AS line
            ON CONFLICT (key) DO UPDATE SET sku = excluded.sku, quantity = excluded.quantity, price = excluded.price,
                placed = excluded.placed";
        transaction.execute(upsert, &[&key, &row.to_string()]).await?;
    } else {
        transaction
            .execute("DELETE FROM lines WHERE key = $1", &[&key])
            .await?;
    }
    let passed = "INSERT INTO positions VALUES ($1, $2, $3)
        ON CONFLICT (topic, partition) DO UPDATE SET next_offset = excluded.next_offset";
    let (topic, partition, offset) = (record.topic(), record.partition(), record.offset() + 1);
    transaction
        .execute(passed, &[&topic, &partition, &offset])
        .await?;
    transaction.commit().await.context("the record was not applied")
}
