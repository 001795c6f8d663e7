//! The delivery protocol against a modelled Postgres, Kafka and registry: what must hold whatever fails, and when.

#[path = "../fakes/mod.rs"]
mod fakes;

mod confirming;
mod dead_letters;
mod events;
mod exactly_once;
mod faults;
mod first_start;
mod halts;
mod idle;
mod large_transactions;
mod mapping;
mod newly_captured;
mod on_demand;
mod out_of_order;
mod random;
mod recognising;
mod relations;
mod replay;
mod retries;
mod snapshots;
mod splitting;
mod standing_by;
mod stopping;
mod taking_over;
