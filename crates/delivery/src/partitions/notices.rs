//! Changes of partitions that the connector has found, for observers.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tracing::{info, warn};
use walcast_pgoutput::Lsn;

use super::change::{PartitionChange, PartitionChangeKind};
use crate::describe::Describe;

/// Number of changes that are kept.
const KEPT_MAX: usize = 100;

/// Changes of partitions found since the process started. Clones share the state.
#[derive(Clone, Debug, Default)]
pub struct PartitionNotices(Arc<Mutex<Notices>>);

#[derive(Debug, Default)]
struct Notices {
    latest: VecDeque<PartitionNotice>,
    count: u64,
}

/// Change of partitions, and where it was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionNotice {
    /// The change.
    pub change: PartitionChange,
    /// End of WAL at the inspection that found it.
    pub until: Lsn,
}

impl PartitionNotices {
    /// Latest changes, oldest first.
    #[must_use]
    pub fn read(&self) -> Vec<PartitionNotice> {
        self.lock().latest.iter().cloned().collect()
    }

    /// Number of changes that need attention.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.lock().count
    }

    /// Adds changes, except for those that concern no row.
    pub(crate) fn add(&self, changes: Vec<PartitionChange>, until: Lsn) {
        let mut notices = self.lock();
        let changes = changes.into_iter();
        for change in changes.filter(|one| one.kind != PartitionChangeKind::AllRewritten) {
            notices.count += u64::from(change.needs_attention());
            if notices.latest.len() == KEPT_MAX {
                notices.latest.pop_front();
            }
            notices.latest.push_back(PartitionNotice { change, until });
        }
    }

    /// Locks the state. A poisoned lock is ignored: no code panics while holding it, and a display is not worth
    /// stopping the connector.
    fn lock(&self) -> MutexGuard<'_, Notices> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Logs changes, before they are stored as known: a crash in between repeats the line and does not lose it.
pub(crate) fn log_changes(changes: &[PartitionChange], until: Lsn, describe: Describe) {
    for change in changes {
        let text = describe.error(change);
        if change.needs_attention() {
            warn!(table = %change.table, %until, error = text, "partitions changed without events");
        } else {
            info!(table = %change.table, %until, "{text}");
        }
    }
}
