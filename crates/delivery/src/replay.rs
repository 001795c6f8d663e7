//! Replays of a delivered window, beside the running connector: from the records of the topics, or from WAL.
//!
//! The progress is committed with the records that it covers, and a replay is continued from the progress that is read behind the fence
//! of its own transactional id: so each record is sent once, whenever a process ends.

pub(crate) mod progress;
pub(crate) mod topics;
pub(crate) mod wal;
