//! The delivery protocol under everything at once, chosen by a seed: a modelled Postgres, Kafka and registry that fail,
//! processes that die at any await, servers that are promoted, restored and meddled with; and a checker that compares
//! what a consumer sees with what was committed. See docs/simulation.md.

mod broker;
mod damage;
mod database;
mod dice;
mod events;
mod fault;
mod life;
#[expect(dead_code, reason = "shorthand for changes, which here are chosen by chance")]
#[path = "../fakes/log.rs"]
mod log;
mod mutation;
mod mutations;
mod node;
mod publishing;
mod registry;
mod requests;
mod rules;
mod run;
mod seeds;
mod settings;
mod sink;
mod snapshots;
mod source;
mod stream;
mod trace;
mod verdict;
#[path = "../fakes/wire.rs"]
mod wire;
mod workload;
mod world;
