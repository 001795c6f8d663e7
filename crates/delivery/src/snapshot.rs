//! Snapshots: reading of rows that existed before the slot, its progress, and requests for it.
//!
//! All rows that are read between two sections of the stream come from one snapshot, taken at the position that the
//! stream has reached: transactions committed before that position have been streamed, transactions committed after it
//! will be. So rows and changes neither overlap nor leave a gap, and need not be compared. See
//! docs/decisions/0011-snapshots.md.

pub(crate) mod attached_partitions;
pub(crate) mod captured_names;
pub(crate) mod channel;
pub(crate) mod command;
pub(crate) mod config;
pub(crate) mod control;
mod event_progress;
pub(crate) mod former_key;
mod memberships;
pub(crate) mod progress;
pub(crate) mod reader;
pub(crate) mod signal;
pub(crate) mod status;
pub(crate) mod stored_requests;
