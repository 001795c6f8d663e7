//! Tests of the connector with servers of their own, which they stop, kill or fill.

mod interruptions;
mod kafka_versions;
mod slot_monitor;
