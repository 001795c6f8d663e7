//! Rows that were in the tables before the slot was: what is still to be read of them, and who asks for it.
//!
//! All rows that are read between two stretches of the stream are read from one snapshot, at the position that the stream
//! has reached: what was committed before it has been streamed, what is committed after it will be. So rows and changes
//! neither overlap nor leave a gap, and nothing has to be compared. See docs/decisions/0011-snapshots.md.

mod board;
mod command;
mod config;
mod control;
mod progress;
mod signal;

pub use board::{Board, BoardedTable, SnapshotBoard, Window};
pub use command::{FormerKey, Selection, SnapshotCommand, SnapshotRefused};
pub(crate) use command::{chosen, stop};
pub use config::{SnapshotConfig, SnapshotMode};
pub(crate) use control::{Reply, Request};
pub use control::{SnapshotAnswer, SnapshotControl, SnapshotRequests, SnapshotUnanswered};
pub use progress::{Marks, NextRow, Publishing, SnapshotProgress, TableProgress};
pub use signal::{Signal, SignalError};
