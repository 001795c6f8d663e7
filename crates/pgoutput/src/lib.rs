//! Turns the bytes of a Postgres logical replication stream into typed messages.
//!
//! The crate knows the [streaming replication protocol][1] and the [pgoutput message formats][2] of protocol
//! versions 1 to 4, and nothing else: no I/O, no async, no allocation on the path of a row. A message borrows
//! from the frame it was read from.
//!
//! It never panics on any input: every byte is read through [`reader::Reader`], which checks bounds and names
//! what it wanted when they do not hold.
//!
//! [1]: https://www.postgresql.org/docs/current/protocol-replication.html
//! [2]: https://www.postgresql.org/docs/current/protocol-logicalrep-message-formats.html
#![deny(clippy::indexing_slicing)]

pub mod decode;
pub mod encode;
pub mod error;
pub mod frame;
mod identity;
mod lsn;
mod message;
pub mod reader;
mod relation;
mod timestamp;
mod tuple;
mod wire;

pub use decode::Decoder;
pub use error::DecodeError;
pub use frame::{Frame, FrameBlock};
pub use identity::{Oid, Xid};
pub use lsn::{Lsn, ParseLsnError};
pub use message::{
    Begin, Commit, Delete, Insert, LogicalMessage, Message, OldTuple, Origin, Prepared, RollbackPrepared,
    StreamAbort, StreamStart, Truncate, TypeMessage, Update,
};
pub use relation::{Relation, RelationColumn, ReplicaIdentity};
pub use timestamp::PgTimestamp;
pub use tuple::{Column, Columns, Tuple};
