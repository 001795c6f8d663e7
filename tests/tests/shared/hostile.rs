//! Peers that lie, hang, or send what no well-behaved one would, and people who may ask for something and want more: one module
//! for each kind of peer.
//!
//! What they cost is asserted in counts and bytes: descriptors, connections, memory. A limit on time is only a backstop.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

mod abandoned;
mod admin;
mod broker;
mod broker_responses;
mod conditions;
mod lock_holder;
mod output;
mod owner;
mod postgres;
mod registry;
mod sockets;
mod tables;
