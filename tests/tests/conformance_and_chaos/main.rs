//! The verdicts over everything at once: walcast beside the real Debezium, walcast under every fault, and walcast under random
//! definitions.

mod chaos;
mod conformance;
mod newest_debezium;
mod sweep;
