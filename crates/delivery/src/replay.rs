//! Copying of the records of a stored window, beside the running connector.
//!
//! ```text
//! ReplayPort::next ──record──▶ ReplayCopier ──copies + progress──▶ ReplayPort::commit (one Kafka transaction)
//! ```
//!
//! The progress is committed with the copies that it covers, and a replay is continued from the progress that is read behind the fence
//! of its own transactional id: so each record is copied once, whenever a process ends.

pub(crate) mod copier;
pub(crate) mod progress;
