//! Consumers of walcast's topics, small enough to be copied.
//!
//! With `isolation.level=read_committed` every change arrives exactly once, also after crashes. Records are repeated only after
//! `walcast checkpoint set`, or with `delivery_guarantee = "at_least_once"`. A repeated record has the same `walcast.id`.
//!
//! Each module is a consumer with one purpose, or a service whose changes are consumed, and has a program of the same name in
//! `src/bin/`.

pub mod audit_trail;
pub mod checkout;
pub mod dead_letters;
mod identity;
pub mod order_service;
mod postgres;
pub mod projection;
pub mod read_model;
pub mod saga;
mod source;
pub mod stream_projection;
pub mod tolerant_reader;
pub mod upcast;

pub use identity::{ID_HEADER, RecordId, Repeats};
pub use source::{Decoder, Source, header};
