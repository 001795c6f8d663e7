//! The replication connection: commands before the stream, the stream itself, and the way back.
//!
//! ```text
//! socket ──▶ reader task ──FrameBlock, bounded in bytes──▶ ReplicationStream::next
//!               │ received
//!               ▼
//! socket ◀── feedback task ◀──confirmed── ReplicationFeedback::confirm
//! ```
//!
//! Reading and answering are two tasks that never wait for each other: status updates go out on their deadline while the
//! queue is full and the socket is not read. A task ends with its stream.

mod commands;
mod feedback;
mod queue;
mod reader;
mod stop;
mod stream;
mod timeline;

pub(crate) use commands::{ExportedSnapshot, ReplicationConnection, SlotKind};
pub use feedback::ReplicationFeedback;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) use reader::Reception;
pub use stream::ReplicationStream;
pub(crate) use stream::{StreamSettings, stream};
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) use timeline::parse as parse_timeline_history;
