//! What a checkpoint says beside its position, and who waits for it to be said.

use std::collections::BTreeSet;
use std::fmt;

use walcast_pgoutput::Oid;

use crate::SnapshotProgress;

/// What has changed of it.
#[derive(Default)]
pub(crate) struct Notes {
    /// What is left to be read of existing rows; `Some(None)`: nothing.
    pub(crate) snapshot: Option<Option<SnapshotProgress>>,
    /// The offset in the signal topic before which signals are carried out.
    pub(crate) signals_read: Option<i64>,
    /// The tables that are captured.
    pub(crate) known_tables: Option<BTreeSet<Oid>>,
    /// Called when it is durable.
    pub(crate) replies: Vec<Box<dyn FnOnce() + Send>>,
}

impl Notes {
    pub(crate) fn is_empty(&self) -> bool {
        let Self {
            snapshot,
            signals_read,
            known_tables,
            replies,
        } = self;
        snapshot.is_none() && signals_read.is_none() && known_tables.is_none() && replies.is_empty()
    }

    /// Adds what was noted after it.
    pub(crate) fn add(&mut self, later: Self) {
        self.snapshot = later.snapshot.or(self.snapshot.take());
        self.signals_read = later.signals_read.or(self.signals_read);
        self.known_tables = later.known_tables.or(self.known_tables.take());
        self.replies.extend(later.replies);
    }
}

impl fmt::Debug for Notes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Notes")
            .field("snapshot", &self.snapshot)
            .field("signals_read", &self.signals_read)
            .field("replies", &self.replies.len())
            .finish_non_exhaustive()
    }
}
