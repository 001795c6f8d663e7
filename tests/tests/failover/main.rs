//! Another one continues: a standby of the connector, a promoted Postgres, or walcast after Debezium.

mod failover;
mod offset_import;
mod takeover;
mod two_instances;
