//! Snapshots of streams, for observers: what their writers have done.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Snapshots of streams by topic of events. Clones share the state.
#[derive(Clone, Debug, Default)]
pub struct StreamSnapshotsState(Arc<Mutex<BTreeMap<String, StreamSnapshotView>>>);

/// Snapshots of the streams of one topic.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StreamSnapshotView {
    /// Number of streams that have a snapshot.
    pub streams: u64,
    /// Number of events in the topic, at most.
    pub events: u64,
    /// Number of events that are not part of a snapshot, at most.
    pub pending: u64,
    /// Time that reading and folding all events would take, at the rate that was measured; `None` until one is.
    pub replay: Option<Duration>,
    /// Number of failures since the process started.
    pub errors: u64,
}

impl StreamSnapshotsState {
    /// Snapshots by topic of events.
    #[must_use]
    pub fn read(&self) -> BTreeMap<String, StreamSnapshotView> {
        self.lock().clone()
    }

    /// Sets the figures of a topic. Failures stay counted.
    pub fn publish(&self, topic: &str, view: StreamSnapshotView) {
        let mut topics = self.lock();
        let known = topics.entry(topic.to_owned()).or_default();
        let errors = known.errors;
        *known = StreamSnapshotView { errors, ..view };
    }

    /// Counts a failure.
    pub fn count_error(&self, topic: &str) {
        self.lock().entry(topic.to_owned()).or_default().errors += 1;
    }

    /// Locks the state. A poisoned lock is ignored: no code panics while holding it, and a display is not worth
    /// stopping the connector.
    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, StreamSnapshotView>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::{StreamSnapshotView, StreamSnapshotsState};

    #[test]
    fn failures_stay_counted() {
        let state = StreamSnapshotsState::default();
        state.count_error("events");
        let view = StreamSnapshotView {
            streams: 3,
            ..StreamSnapshotView::default()
        };
        state.clone().publish("events", view);
        state.count_error("events");
        let read = &state.read()["events"];
        assert_eq!((read.streams, read.errors), (3, 2));
    }
}
