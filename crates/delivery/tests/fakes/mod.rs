//! A modelled Postgres, Kafka and registry behind the connector's ports, and the checks of the calls they received.
//!
//! Runs are deterministic: one thread, paused time, no clock, and no randomness except a seed. Every call passes a
//! numbered step before and after it takes effect ([`Steps`]), and a run can be interrupted at any of them; the models
//! keep the durable state. Faults are planned in advance, by call and count ([`Script`]).

mod kafka;
mod postgres;
mod registry;
mod script;
mod snapshots;
mod steps;
mod stream;
mod verdict;
mod wal;
mod wire;
mod world;

pub(crate) use kafka::{Broker, KafkaCall, NOTIFICATIONS};
pub(crate) use postgres::{PostgresCall, Server};
pub(crate) use script::{Act, CONNECTION_LOST, TestFault};
pub(crate) use snapshots::rows_at;
pub(crate) use verdict::{delivered_ids, verify, verify_so_far};
pub(crate) use wal::{
    Change, LoggedChange, Table, Transaction, delete, insert, insert_padded, message, signal, truncate,
    update, update_key,
};
pub(crate) use wire::{data as data_frame, keepalive as keepalive_frame};
pub(crate) use world::{CONSISTENT_POINT, DEAD_LETTERS, Skipped, World, checkpoint};
