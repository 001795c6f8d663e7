//! Outboxes that are polled, behind the port of walcast-delivery.
//!
//! ```text
//! source.rs       the port: sessions, tables, marks at a start
//! leadership.rs   transaction of the leader, which holds the lock
//! claims.rs       session of a worker: gate, claim, mark
//! at_position.rs  rows of one position, for the hand-over to a stream
//! gate.rs         rows before which no running transaction can add one
//! statements.rs   SQL of an outbox
//! tables.rs       outboxes, from the catalog
//! backlog.rs      figures for observers, and the transaction for which rows wait
//! listener.rs     notifications, which wake the workers
//! check.rs        preconditions
//! ```
//!
//! Nothing lasts longer than a transaction in a session of the server, so that a pooler in transaction mode may be in between: settings
//! are set in each transaction, and locks belong to transactions. No slot, no publication and no replication connection is used.

mod at_position;
mod backlog;
mod check;
mod claims;
mod gate;
mod leadership;
mod listener;
mod session;
mod source;
mod statements;
mod tables;
mod transaction;

pub use at_position::PostgresRowsAtPosition;
pub use check::{polled_grants, polled_preconditions, polled_tables};
pub use claims::PostgresClaims;
pub use source::PostgresOutboxes;
