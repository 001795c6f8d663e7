//! Events other than those of rows: transaction metadata, logical decoding messages, heartbeats and notifications, as
//! Debezium makes them.

mod choice;
mod heartbeat;
mod message;
mod notification;
mod operations;
mod topic;
mod transaction;
mod used_topics;

pub use heartbeat::HeartbeatEvents;
pub use message::{MessageContext, MessageEvents};
pub use notification::{Notification, NotificationEvents, SnapshotEvent, SnapshotKind};
pub use topic::EventTopic;
pub use transaction::{TransactionBoundary, TransactionEvents};

pub(crate) use operations::Operations;
pub(crate) use used_topics::used_topics;
