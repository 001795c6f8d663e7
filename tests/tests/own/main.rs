//! Tests of the connector with servers of their own, which they stop, kill or fill.

mod interruptions;
mod kafka_versions;
mod outbox_move_unseen;
mod outbox_poll_restarts;
mod slot_monitor;
