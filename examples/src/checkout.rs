//! A checkout that announces its orders: by a second write to Kafka, or by an outbox in the transaction of the order.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;
use std::time::Duration;

use anyhow::Context;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::Message;
use rdkafka::producer::{FutureProducer, FutureRecord};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};
use tokio_postgres::Client;

use crate::postgres::connect;

const SCHEMA: &str = include_str!("../checkout/schema.sql");
/// Time for a request to the broker.
const LIMIT: Duration = Duration::from_secs(30);

/// Stores each order, and sends its event to Kafka afterwards, for which the customer waits `send_limit` at most. Returns the orders
/// whose event could not be sent: the customer has an order, and nothing remembers the event.
///
/// # Errors
/// The database fails.
pub async fn dual_write(
    database: &str,
    brokers: &str,
    topic: &str,
    orders: RangeInclusive<i32>,
    send_limit: Duration,
) -> anyhow::Result<Vec<i32>> {
    let client = connect(database, SCHEMA).await?;
    let producer: FutureProducer = ClientConfig::new()
        .set("bootstrap.servers", brokers)
        .set("message.timeout.ms", send_limit.as_millis().to_string())
        .create()
        .context("the producer cannot be created")?;
    let mut unsent = Vec::new();
    for id in orders {
        store(&client, id).await?;
        let (key, event) = (format!("\"{id}\""), format!("{{\"order\": {id}}}"));
        let record = FutureRecord::to(topic).key(&key).payload(&event);
        if producer.send(record, send_limit).await.is_err() {
            unsent.push(id);
        }
    }
    Ok(unsent)
}

async fn store(client: &Client, id: i32) -> anyhow::Result<()> {
    let insert = "INSERT INTO orders VALUES ($1, 50)";
    let stored = client.execute(insert, &[&id]).await;
    stored.with_context(|| format!("order {id} was not stored"))?;
    Ok(())
}

/// Stores each order together with its event, in one transaction: there are both or neither. Kafka is not needed.
///
/// # Errors
/// The database fails.
pub async fn outbox(database: &str, orders: RangeInclusive<i32>) -> anyhow::Result<()> {
    let mut client = connect(database, SCHEMA).await?;
    for id in orders {
        let transaction = client.transaction().await?;
        store(transaction.client(), id).await?;
        let event = "INSERT INTO outbox VALUES (gen_random_uuid(), 'order', $1::int::text, 'OrderPlaced',
            jsonb_build_object('order', $1::int))";
        transaction.execute(event, &[&id]).await?;
        transaction.commit().await.context("the order was not stored")?;
    }
    Ok(())
}

/// Orders from this number on that the topic has no event of.
///
/// # Errors
/// The database or Kafka fails.
pub async fn missing(database: &str, brokers: &str, topic: &str, from: i32) -> anyhow::Result<Vec<i32>> {
    let client = connect(database, SCHEMA).await?;
    let stored = client
        .query("SELECT id FROM orders WHERE id >= $1 ORDER BY id", &[&from])
        .await?;
    let (brokers, topic) = (brokers.to_owned(), topic.to_owned());
    let announced = tokio::task::spawn_blocking(move || announced(&brokers, &topic)).await??;
    let ids = stored.iter().map(|row| row.get::<_, i32>(0));
    Ok(ids.filter(|id| !announced.contains(id)).collect())
}

/// Orders that the events of a topic name in their keys, up to the end of the topic.
fn announced(brokers: &str, topic: &str) -> anyhow::Result<BTreeSet<i32>> {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", brokers)
        .set("group.id", "walcast-checkout")
        .set("isolation.level", "read_committed")
        .set("enable.auto.commit", "false")
        .set("enable.partition.eof", "true")
        .create()
        .context("the consumer cannot be created")?;
    let metadata = consumer
        .fetch_metadata(Some(topic), LIMIT)
        .context("the partitions of the topic are not known")?;
    let partitions = metadata.topics().iter().flat_map(|topic| topic.partitions());
    let mut assignment = TopicPartitionList::new();
    for partition in partitions {
        assignment.add_partition_offset(topic, partition.id(), Offset::Beginning)?;
    }
    consumer.assign(&assignment)?;
    let mut unread = assignment.count();
    let mut orders = BTreeSet::new();
    while unread > 0 {
        match consumer.poll(LIMIT).context("the broker does not answer")? {
            Ok(record) => {
                let key = serde_json::from_slice::<String>(record.key().unwrap_or_default());
                let key = key.context("the record is no event of an order")?;
                orders.insert(key.parse().context("the key is no number of an order")?);
            }
            Err(KafkaError::PartitionEOF(_)) => unread -= 1,
            Err(error) => return Err(error).context("no record could be read"),
        }
    }
    Ok(orders)
}
