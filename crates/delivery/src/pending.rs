//! How long the oldest transaction that is read but not delivered has been waiting.

use std::sync::atomic::{AtomicI64, Ordering};

use walcast_pgoutput::PgTimestamp;

/// Nothing waits.
const NOTHING: i64 = i64::MIN;

/// When the oldest undelivered transaction was committed, shared between the halves of a session.
#[derive(Debug)]
pub(crate) struct Pending(AtomicI64);

impl Pending {
    pub(crate) fn new() -> Self {
        Self(AtomicI64::new(NOTHING))
    }

    /// The oldest undelivered transaction was committed at `commit_time`; `None` when there is none.
    pub(crate) fn since(&self, commit_time: Option<PgTimestamp>) {
        self.0.store(
            commit_time.map_or(NOTHING, PgTimestamp::unix_micros),
            Ordering::Relaxed,
        );
    }

    /// How long it has been waiting, in milliseconds.
    pub(crate) fn waited_ms(&self, now: PgTimestamp) -> Option<i64> {
        let since = self.0.load(Ordering::Relaxed);
        (since != NOTHING).then(|| (now.unix_micros().saturating_sub(since) / 1000).max(0))
    }
}
