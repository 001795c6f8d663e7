//! Commit: batches and checkpoints become Kafka transactions, and the slot is confirmed.

pub(crate) mod committer;
pub(crate) mod heartbeat;
pub(crate) mod pace;
pub(crate) mod retention;
