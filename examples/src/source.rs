//! Topics and schemas as the examples read them.

use anyhow::Context;
use apache_avro::types::Value;
use clap::Args;
use rdkafka::ClientConfig;
use rdkafka::consumer::StreamConsumer;
use rdkafka::message::{BorrowedMessage, Headers, Message};
use schema_registry_converter::async_impl::avro::AvroDecoder;
use schema_registry_converter::async_impl::schema_registry::SrSettings;
use serde_json::Value as Json;

/// A topic, and where it is.
#[derive(Args, Clone, Debug)]
pub struct Source {
    /// Bootstrap addresses of Kafka
    #[arg(long, default_value = "127.0.0.1:9092")]
    pub brokers: String,

    /// Address of the schema registry
    #[arg(long, default_value = "http://127.0.0.1:8081")]
    pub registry: String,

    /// Topic of a table
    #[arg(long)]
    pub topic: String,
}

impl Source {
    /// Consumer of a group, which sees committed records only and commits no offset by itself.
    ///
    /// # Errors
    /// A setting is wrong.
    pub fn consumer(&self, group: &str) -> anyhow::Result<StreamConsumer> {
        self.settings(group)
            .create()
            .context("the consumer cannot be created")
    }

    /// The same, for reading up to the present end: the end of each partition is an event too.
    ///
    /// # Errors
    /// A setting is wrong.
    pub fn reader(&self, group: &str) -> anyhow::Result<StreamConsumer> {
        let mut settings = self.settings(group);
        settings.set("enable.partition.eof", "true");
        settings.create().context("the consumer cannot be created")
    }

    fn settings(&self, group: &str) -> ClientConfig {
        let mut settings = ClientConfig::new();
        settings
            .set("bootstrap.servers", &self.brokers)
            .set("group.id", group)
            // Required for exactly-once delivery: records of aborted transactions are not returned.
            .set("isolation.level", "read_committed")
            .set("auto.offset.reset", "earliest")
            .set("enable.auto.commit", "false");
        settings
    }

    /// Decoder of the records.
    #[must_use]
    pub fn decoder(&self) -> Decoder {
        Decoder::new(&self.registry)
    }
}

/// Decoder of keys and values in Avro, with the schemas of the registry.
#[derive(Debug)]
pub struct Decoder(AvroDecoder);

impl Decoder {
    /// Creates the decoder.
    #[must_use]
    pub fn new(registry: &str) -> Self {
        Self(AvroDecoder::new(SrSettings::new(registry.to_owned())))
    }

    /// Decodes a key or a value. Records of tables without a key have no key, tombstones no value: they are null.
    ///
    /// # Errors
    /// The bytes are not Avro, or their schema cannot be read.
    pub async fn json(&self, bytes: Option<&[u8]>) -> anyhow::Result<Json> {
        let decoded = self.0.decode(bytes).await;
        match decoded.context("the record cannot be decoded")?.value {
            Value::Null => Ok(Json::Null),
            value => Json::try_from(value).context("the record contains a value that JSON cannot represent"),
        }
    }
}

/// Value of a header.
#[must_use]
pub fn header<'r>(record: &'r BorrowedMessage<'_>, name: &str) -> Option<&'r [u8]> {
    record.headers()?.iter().find(|header| header.key == name)?.value
}
