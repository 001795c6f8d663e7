//! Minimal consumer: prints committed records of some topics, decoded with the schemas of the registry, one JSON line each.
//!
//! ```text
//! cargo run -p walcast-examples --bin consumer -- --topic shop.public.orders
//! ```

use std::io::Write;

use anyhow::Context;
use clap::Parser;
use rdkafka::ClientConfig;
use rdkafka::consumer::{CommitMode, Consumer, StreamConsumer};
use rdkafka::message::{BorrowedMessage, Message};
use serde_json::json;
use walcast_examples::{Decoder, ID_HEADER, RecordId, Repeats, header};

/// Print the records that walcast writes
#[derive(Debug, Parser)]
struct Arguments {
    /// Bootstrap addresses of Kafka
    #[arg(long, default_value = "127.0.0.1:9092")]
    brokers: String,

    /// Address of the schema registry
    #[arg(long, default_value = "http://127.0.0.1:8081")]
    registry: String,

    /// Topic, or a regular expression that begins with ^; may be given several times
    #[arg(long = "topic", required = true)]
    topics: Vec<String>,

    /// Consumer group; a consumer of the same group resumes at its committed offsets
    #[arg(long, default_value = "walcast-example")]
    group: String,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let consumer: StreamConsumer = ClientConfig::new()
        .set("bootstrap.servers", &arguments.brokers)
        .set("group.id", &arguments.group)
        // Required for exactly-once delivery: records of aborted transactions are not returned.
        .set("isolation.level", "read_committed")
        .set("auto.offset.reset", "earliest")
        .set("enable.auto.commit", "false")
        .create()
        .context("the consumer cannot be created")?;
    let topics: Vec<&str> = arguments.topics.iter().map(String::as_str).collect();
    consumer
        .subscribe(&topics)
        .context("cannot subscribe to the topics")?;

    let decoder = Decoder::new(&arguments.registry);
    let mut repeats = Repeats::default();
    loop {
        let record = tokio::select! {
            record = consumer.recv() => record.context("no record could be read")?,
            stop = tokio::signal::ctrl_c() => return stop.context("cannot listen for signals"),
        };
        let id = header(&record, ID_HEADER).and_then(RecordId::parse);
        if id.is_none_or(|id| !repeats.is_repeat(record.topic(), record.partition(), id)) {
            print(&decoder, &record).await?;
        }
        // The offset is committed after the record is processed, never before.
        consumer
            .commit_message(&record, CommitMode::Async)
            .context("the offset was not committed")?;
    }
}

async fn print(decoder: &Decoder, record: &BorrowedMessage<'_>) -> anyhow::Result<()> {
    let line = json!({
        "topic": record.topic(),
        "partition": record.partition(),
        "offset": record.offset(),
        "id": header(record, ID_HEADER).map(String::from_utf8_lossy),
        "key": decoder.json(record.key()).await?,
        "value": decoder.json(record.payload()).await?,
    });
    writeln!(std::io::stdout().lock(), "{line}").context("stdout cannot be written to")
}
