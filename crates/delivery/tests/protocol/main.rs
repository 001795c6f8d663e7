//! The delivery protocol against a modelled Postgres, Kafka and registry: guarantees under faults at any step.

#[path = "../fakes/mod.rs"]
mod fakes;

mod batching;
mod compacted_topics;
mod conditions;
mod confirmations;
mod context;
mod dead_letters;
mod described_errors;
mod destinations;
mod events;
mod exactly_once;
mod faults;
mod first_contact;
mod first_start;
mod halts;
mod history_check;
mod idle;
mod lag;
mod large_transactions;
mod mapping;
mod newly_captured;
mod offset_import;
mod on_demand;
mod out_of_order;
mod outboxes;
mod partitions;
mod polling;
mod quarantine;
mod random;
mod redelivery;
mod relations;
mod renamed_tables;
mod replay;
mod restrictions;
mod shutdown;
mod snapshots;
mod splitting;
mod standby;
mod wal_replay;
mod withdrawn_tables;
