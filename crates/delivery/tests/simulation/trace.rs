//! The events of a run, for the analysis of a failed one.

use std::cell::RefCell;
use std::collections::VecDeque;

use tokio::time::Instant;

/// Number of events that are kept.
const EVENTS_MAX: usize = 1_500;

/// The last events of a run, recorded only on request.
pub(crate) struct Trace {
    begun: Instant,
    events: Option<RefCell<VecDeque<String>>>,
}

impl Trace {
    pub(crate) fn new(is_kept: bool) -> Self {
        Self {
            begun: Instant::now(),
            events: is_kept.then(RefCell::default),
        }
    }

    /// Records an event of a part of the run.
    pub(crate) fn note(&self, part: &str, event: impl FnOnce() -> String) {
        let Some(events) = &self.events else { return };
        let at_ms = self.begun.elapsed().as_millis();
        let mut events = events.borrow_mut();
        if events.len() == EVENTS_MAX {
            events.pop_front();
        }
        events.push_back(format!("{at_ms:>8} ms  {part:<9} {}", event()));
    }

    /// The events, oldest first.
    pub(crate) fn events(&self) -> Vec<String> {
        let events = self.events.as_ref();
        events.map_or_else(Vec::new, |events| events.borrow().iter().cloned().collect())
    }
}
