//! The delivery protocol under combined faults, chosen by a seed: a modelled Postgres, Kafka and registry that fail, processes
//! that die at any await, servers that are promoted and restored, and slots that are altered; and a checker that compares the
//! records of a consumer with the committed transactions. See docs/simulation.md.

mod broker;
mod damage;
mod database;
mod dice;
mod events;
mod fault;
mod mutation;
mod mutations;
mod node;
mod partitions;
mod process;
mod publishing;
mod registry;
mod repairs;
mod replays;
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
#[expect(
    dead_code,
    reason = "the simulation draws its changes at random, without the shorthands"
)]
#[path = "../fakes/wal.rs"]
mod wal;
#[path = "../fakes/wire.rs"]
mod wire;
mod workload;
mod world;
