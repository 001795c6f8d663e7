//! The sink, the topics and the registry client against a real broker and a real registry.
#![allow(clippy::unwrap_used, reason = "what a test's helper cannot do fails the test")]

mod at_least_once;
mod checkpoint;
mod exactly_once;
mod failures;
mod partitions;
mod preconditions;
mod reading;
mod registry;
mod requests;
mod security;
mod support;
mod topics;
