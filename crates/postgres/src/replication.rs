//! Replication connection: commands, the stream, and the feedback to the server.
//!
//! ```text
//! socket ──▶ reader task ──FrameBlock, bounded in bytes──▶ ReplicationStream::next
//!               │ received
//!               ▼
//! socket ◀── feedback task ◀──confirmed── ReplicationFeedback::confirm
//! ```
//!
//! Two tasks read the stream and send status updates. They never wait for each other: updates are sent on their deadline while the queue is
//! full and the socket is not read. Both tasks end with the stream.

mod close;
mod commands;
mod feedback;
mod queue;
mod reader;
mod stream;
mod timeline;

pub use commands::MESSAGES_SINCE;
pub(crate) use commands::{ExportedSnapshot, ReplicationConnection, SlotKind};
pub use feedback::ReplicationFeedback;
pub(crate) use reader::Reception;
pub use stream::ReplicationStream;
pub(crate) use stream::{StreamSettings, stream};
pub(crate) use timeline::parse as parse_timeline_history;
