//! Heartbeats, which show that the connector is alive when no table changes.

use super::topic::EventTopic;
use crate::config::MapperConfig;
use crate::connect::{ConnectSchema, Kind};
use crate::encode::Scratch;
use crate::format::Format;
use crate::record_buffer::RecordBuffer;
use crate::row::RowError;
use crate::serialization::Body;

/// Encoder of heartbeats.
#[derive(Debug)]
pub struct HeartbeatEvents {
    /// Topic of heartbeats.
    pub topic: EventTopic,
    topic_prefix: String,
}

const KEY: &str = "io.debezium.connector.common.ServerNameKey";
const VALUE: &str = "io.debezium.connector.common.Heartbeat";
const SERVER_NAME: &str = "serverName";
const TS_MS: &str = "ts_ms";

impl HeartbeatEvents {
    /// Creates the encoder with the topic and its schemas.
    #[must_use]
    pub fn new(config: &MapperConfig) -> Self {
        let (text, long) = (
            ConnectSchema::plain(Kind::String),
            ConnectSchema::plain(Kind::Int64),
        );
        let key = ConnectSchema::first_version(KEY, vec![text.required().named(SERVER_NAME)]);
        let value = ConnectSchema::first_version(VALUE, vec![long.required().named(TS_MS)]);
        let parts = [&config.events.heartbeat_topic_prefix, &config.topic_prefix].map(String::as_str);
        let name = parts.join(&config.names.delimiter);
        Self {
            topic: EventTopic::new(name, config, &key, &value),
            topic_prefix: config.topic_prefix.clone(),
        }
    }

    /// Appends a heartbeat to `buffer`.
    ///
    /// # Panics
    /// When the topic is not bound to its schemas' ids.
    pub fn beat(&self, now_unix_millis: i64, buffer: &mut RecordBuffer) {
        let key = Key(&self.topic_prefix);
        let value = Value { now_unix_millis };
        self.topic.push(&key, &value, &mut Scratch::default(), buffer);
    }
}

struct Key<'a>(&'a str);

impl Body for Key<'_> {
    fn put<F: Format>(&self, _: &mut Scratch, out: &mut Vec<u8>) -> Result<(), RowError> {
        F::begin_record(out);
        F::field(SERVER_NAME, out);
        F::string(self.0.as_bytes(), out);
        F::end_record(out);
        Ok(())
    }
}

struct Value {
    now_unix_millis: i64,
}

impl Body for Value {
    fn put<F: Format>(&self, _: &mut Scratch, out: &mut Vec<u8>) -> Result<(), RowError> {
        F::begin_record(out);
        F::field(TS_MS, out);
        F::integer(self.now_unix_millis, out);
        F::end_record(out);
        Ok(())
    }
}
