//! Settings of the snapshots of streams.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use walcast_mapper::config::Encoding;

/// How the events of a stream become its state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StreamFold {
    /// The state is the value of the last event.
    LastValue,
    /// Each payload is a JSON merge patch (RFC 7396) of the state.
    MergePatch,
}

/// Snapshots of the streams of one topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamSnapshotConfig {
    /// Name of the topic of events.
    pub topic: String,
    /// Name of the topic of snapshots.
    pub snapshots: String,
    /// Fold.
    pub fold: StreamFold,
    /// Number of events after which snapshots are written.
    pub every_events: u64,
    /// Time after which snapshots are written.
    pub every: Duration,
    /// Memory for the last states of all streams, in bytes.
    pub memory: usize,
    /// Time that reading the whole topic may take before a warning is logged; `None`: no warning.
    pub replay_budget: Option<Duration>,
    /// Encoding of values.
    pub encoding: Encoding,
}
