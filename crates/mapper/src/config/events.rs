//! Which changes become events, and which events there are beside those of rows.

use serde::{Deserialize, Serialize};

use crate::PrefixPattern;

/// Settings of `[events]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a table")]
pub struct EventsConfig {
    /// The operations that make events.
    pub operations: Vec<Operation>,
    /// Whether an update that changed no value makes no event (Debezium's `skip.messages.without.change`). Only
    /// `REPLICA IDENTITY FULL` shows it.
    pub skip_unchanged: bool,
    /// Whether transactions are told: a block in each event, and the beginning and the end of each transaction in a
    /// topic of their own (Debezium's `provide.transaction.metadata`).
    pub transactions: bool,
    /// What follows the prefix in the name of that topic.
    pub transaction_topic: String,
    /// Which logical decoding messages are sent, by their prefix.
    pub messages: Vec<PrefixPattern>,
    /// Which are not sent although [`EventsConfig::messages`] chooses them.
    pub exclude_messages: Vec<PrefixPattern>,
    /// Distance between heartbeats; zero: there are none.
    pub heartbeat_interval_ms: u64,
    /// What stands before the prefix in the name of the topic of heartbeats.
    pub heartbeat_topic_prefix: String,
    /// The topic in which it is told how far reading existing rows is (Debezium's `notification.sink.topic.name`); `None`: it
    /// is not.
    pub notification_topic: Option<String>,
}

/// An operation of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Operation {
    /// Rows that are new, and rows under their new key.
    Create,
    /// Rows that have changed.
    Update,
    /// Rows that are gone, and rows under their former key.
    Delete,
    /// Tables that were emptied.
    Truncate,
}

/// Debezium skips the emptying of tables unless told not to.
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
            // Debezium sends every message unless told not to.
            messages: vec![PrefixPattern::any()],
            exclude_messages: Vec::new(),
            heartbeat_interval_ms: 0,
            heartbeat_topic_prefix: HEARTBEAT_TOPIC_PREFIX.to_owned(),
            notification_topic: None,
        }
    }
}
