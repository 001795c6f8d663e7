//! Selection of events.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::pattern::PrefixPattern;

/// Settings of `[events]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventsConfig {
    /// Operations that produce events.
    pub operations: Vec<Operation>,
    /// Whether updates without a changed value are skipped (Debezium's `skip.messages.without.change`). Only `REPLICA
    /// IDENTITY FULL` makes them detectable.
    pub skip_unchanged: bool,
    /// Whether transaction metadata is sent: a block in each event, and the beginning and the end of each transaction
    /// in a topic of its own (Debezium's `provide.transaction.metadata`).
    pub transactions: bool,
    /// Name of that topic after the topic prefix.
    pub transaction_topic: String,
    /// Logical decoding messages to send, by prefix.
    pub messages: Vec<PrefixPattern>,
    /// Logical decoding messages not to send although [`EventsConfig::messages`] matches them.
    pub exclude_messages: Vec<PrefixPattern>,
    /// Interval of heartbeats; zero: no heartbeats.
    pub heartbeat_interval: Duration,
    /// Prefix of the heartbeat topic, before the topic prefix.
    pub heartbeat_topic_prefix: String,
    /// Topic of notifications about snapshots (Debezium's `notification.sink.topic.name`); `None`: no notifications.
    pub notification_topic: Option<String>,
}

/// An operation of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Operation {
    /// Inserted rows, and rows under a new key.
    Create,
    /// Updated rows.
    Update,
    /// Deleted rows, and rows under a previous key.
    Delete,
    /// Truncated tables.
    Truncate,
}

/// Debezium skips truncates by default.
const OPERATIONS: [Operation; 3] = [Operation::Create, Operation::Update, Operation::Delete];
/// Debezium's name.
const TRANSACTION_TOPIC: &str = "transaction";
/// Debezium's name.
const HEARTBEAT_TOPIC_PREFIX: &str = "__debezium-heartbeat";

impl Default for EventsConfig {
    fn default() -> Self {
        Self {
            operations: OPERATIONS.to_vec(),
            skip_unchanged: false,
            transactions: false,
            transaction_topic: TRANSACTION_TOPIC.to_owned(),
            // Debezium sends every message by default.
            messages: vec![PrefixPattern::any()],
            exclude_messages: Vec::new(),
            heartbeat_interval: Duration::ZERO,
            heartbeat_topic_prefix: HEARTBEAT_TOPIC_PREFIX.to_owned(),
            notification_topic: None,
        }
    }
}
