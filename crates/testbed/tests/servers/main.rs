//! The testbed's own servers, started for real.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

mod audit;
mod debezium;
mod kafka;
mod loads;
mod postgres;
mod registry;
