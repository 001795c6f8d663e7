//! Tables `[[stream_snapshots]]` as they are written.

use serde::{Deserialize, Serialize};
use walcast_kafka::StreamFold;

use crate::config::bytes::ByteSize;
use crate::config::duration::ConfigDuration;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table")]
pub(crate) struct RawStreamSnapshots {
    pub(crate) topic: String,
    pub(crate) fold: StreamFold,
    #[serde(default = "every_events")]
    pub(crate) every_events: u64,
    #[serde(default = "every")]
    pub(crate) every: ConfigDuration,
    #[serde(default = "memory")]
    pub(crate) memory: ByteSize,
    #[serde(default)]
    pub(crate) replay_budget: Option<ConfigDuration>,
}

impl RawStreamSnapshots {
    /// Name of the topic of snapshots.
    pub(crate) fn target(&self) -> String {
        format!("{}.snapshots", self.topic)
    }
}

/// Some megabytes in one Kafka transaction.
fn every_events() -> u64 {
    10_000
}

/// A stream that is busy is written once a minute.
fn every() -> ConfigDuration {
    ConfigDuration::from_secs(60)
}

/// Half a million streams with states of 200 bytes.
fn memory() -> ByteSize {
    ByteSize::new(256 << 20)
}
