//! Outboxes that are polled: their rows are claimed by queries, and marked once their events are in Kafka.
//!
//! ```text
//! worker: claim rows (locked) ─▶ events + keys of the rows in one Kafka transaction ─▶ mark the rows, release them
//! start:  fence the workers before ─▶ read the keys that Kafka has ─▶ mark these rows ─▶ claim
//! ```
//!
//! Guarantees: a row whose event is in Kafka is marked and not sent again, wherever a process ends, because the keys of the rows are
//! committed with their events ([`claim::Claim`]). One worker publishes all events of a key, in the order of the outbox.
//!
//! Nothing here needs a slot, a publication or the WAL: docs/decisions/0030.

pub(crate) mod backlog;
pub(crate) mod claim;
pub(crate) mod hand_over;
pub(crate) mod poller;
mod session;
mod together;
mod worker;
