//! Decoder of Postgres logical replication streams: bytes to typed messages.
//!
//! The crate knows the [streaming replication protocol][1] and the [pgoutput message formats][2] of protocol
//! versions 1 to 4, and nothing else: no I/O, no async, no allocation on the path of a row. A message borrows
//! from the frame it was read from.
//!
//! It never panics on any input: every byte is read through [`reader::Reader`], which checks bounds and names
//! what it wanted when they do not hold.
//!
//! ```
//! use walcast_pgoutput::{Column, Decoder, Message};
//!
//! // An insert of (42, null) into the table that the session's Relation message called 16385.
//! let insert = b"I\x00\x00\x40\x01N\x00\x02t\x00\x00\x00\x0242n";
//!
//! let mut decoder = Decoder::new();
//! let Message::Insert(insert) = decoder.decode(insert)? else { panic!("not an insert") };
//! assert_eq!(insert.relation.as_u32(), 16385);
//! assert!(insert.new.columns().eq([Column::Text(b"42"), Column::Null]));
//!
//! let error = decoder.decode(b"I\x00\x00").unwrap_err();
//! assert_eq!(error.to_string(), "cannot decode message 'I': the message ends at byte 1, wanted the table");
//! # Ok::<(), walcast_pgoutput::DecodeError>(())
//! ```
//!
//! The path of a change: [`frame::whole_messages`] splits the bytes from the socket, a [`FrameBlock`] carries them,
//! [`Frame`]s are their parts, and a [`Decoder`] makes a [`Message`] of each. [`encode`] is the reverse.
//!
//! [1]: https://www.postgresql.org/docs/current/protocol-replication.html
//! [2]: https://www.postgresql.org/docs/current/protocol-logicalrep-message-formats.html
#![deny(clippy::indexing_slicing)]

mod copy;
pub mod decode;
pub mod encode;
pub mod error;
pub mod frame;
mod identity;
mod lsn;
mod message;
pub mod reader;
pub mod recode;
mod relation;
mod tid;
mod timestamp;
mod tuple;
mod wire;

pub use copy::{CopiedRow, CopyDecoder, CopyError, recode_copied};
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
pub use tid::{ParseTidError, Tid};
pub use timestamp::PgTimestamp;
pub use tuple::{Column, Columns, Tuple};
