//! The verdicts over everything at once: walcast beside the real Debezium, and walcast under every fault.

mod chaos;
mod conformance;
mod newest_debezium;
