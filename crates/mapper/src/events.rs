//! Events that are not of rows: the edges of transactions, logical decoding messages, heartbeats. As Debezium makes them.

mod choice;
mod heartbeat;
mod message;
mod notification;
mod operations;
mod tally;
mod topic;
mod transaction;

pub use heartbeat::HeartbeatEvents;
pub use message::{MessageContext, MessageEvents};
pub use notification::{Notification, NotificationEvents, SnapshotEvent, SnapshotKind};
pub use tally::Tally;
pub use topic::EventTopic;
pub use transaction::{EdgeContext, TransactionEvents};

pub(crate) use operations::Operations;
pub(crate) use tally::EventOrder;
pub(crate) use transaction::{put_id as put_transaction_id, put_transaction_block, signed};

use crate::connect::{ConnectSchema, Field};

/// A struct in the first version of its name.
fn first_version(name: &str, fields: Vec<Field>) -> ConnectSchema {
    ConnectSchema::record(name.to_owned(), fields).with_version(1)
}
