//! What the end-to-end tests share: a world of real servers for each test, the connector as a process, and what a reader
//! of the raw topics sees.
//!
//! Tests fail by panicking, with the end of the connector's log. Nothing here sleeps: conditions are awaited.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]
#![allow(clippy::missing_panics_doc, reason = "to panic is how they report")]

mod alert;
mod awaiting;
mod case;
pub mod chaos;
mod command;
pub mod conformance;
mod figures;
mod http;
mod instance;
mod lasting;
pub mod polling;
mod positions;
mod refusal;
mod seed;
mod source;
mod standby;
pub mod sweep;
mod transactions;
mod world;

pub use alert::Alert;
pub use awaiting::{LIMIT, await_that, await_writes};
pub use case::{Case, RUN, shared};
pub use command::{Finished, command, run};
pub use figures::{assert_memory, sample};
pub use http::{Answer, http, http_with};
pub use instance::Instance;
pub use lasting::lasting;
pub use positions::lsn;
pub use refusal::{assert_reports, remedy};
pub use seed::seed;
pub use standby::{
    PHYSICAL_SLOT, SYNCHRONISED, await_copy, await_replay, either, make_physical_slot, synchronised,
};
pub use transactions::{CheckpointRecord, KafkaTransaction, checkpoints, kafka_transactions};
pub use world::World;
