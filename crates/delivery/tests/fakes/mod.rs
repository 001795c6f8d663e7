//! A modelled Postgres, Kafka and registry behind the connector's edges, and the verdict over what they saw.
//!
//! Everything is deterministic: one thread, paused time, no clock and no randomness but a seed. Every call passes a
//! numbered step before and after it takes effect ([`Steps`]), and a run can be cut off at any of them; the models
//! keep what was durable. Faults are laid out beforehand, by call and count ([`Script`]).

mod kafka;
mod log;
mod postgres;
mod registry;
mod script;
mod snapshots;
mod steps;
mod stream;
mod verdict;
mod wire;
mod world;

pub(crate) use kafka::{Broker, KafkaCall, NOTIFICATIONS};
pub(crate) use log::{
    Change, Logged, Table, Transaction, delete, insert, insert_padded, message, signal, truncate, update,
    update_moved,
};
pub(crate) use postgres::{PostgresCall, Server};
pub(crate) use script::{Act, TestFault};
pub(crate) use snapshots::rows_at;
pub(crate) use verdict::{delivered_ids, verify, verify_so_far};
pub(crate) use wire::{data as data_frame, keepalive as keepalive_frame};
pub(crate) use world::{CONSISTENT_POINT, DEAD_LETTERS, World, checkpoint};
