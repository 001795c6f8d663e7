//! Samples of WAL, for observers.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::slot_monitor::forecast::LimitForecast;
use crate::slot_monitor::retention_cause::RetentionCause;
use crate::slot_monitor::sample::WalSample;

/// WAL samples with their evaluation. Clones share the state.
#[derive(Clone, Debug, Default)]
pub struct WalState(Arc<Mutex<Samples>>);

#[derive(Clone, Debug, Default)]
struct Samples {
    /// Last sample; `None` before the first.
    last: Option<WalView>,
    /// Whether the last attempt to sample yielded it.
    is_current: bool,
}

/// WAL sample with its evaluation.
#[derive(Clone, Debug, PartialEq)]
pub struct WalView {
    /// Sample of the slot and of WAL.
    pub look: WalSample,
    /// Bytes of WAL that the server writes per second; `None` after a single sample.
    pub written_per_second: Option<f64>,
    /// Limits that apply, and whether a warning of each is active.
    pub limits: Vec<(LimitForecast, bool)>,
    /// Retention cause of the slot; `None` if the slot retains less than a segment.
    pub holder: Option<RetentionCause>,
}

impl WalState {
    /// Current sample; `None` while the slot is not sampled, because the connector does not lead or the server does not
    /// answer.
    #[must_use]
    pub fn read(&self) -> Option<WalView> {
        let samples = self.lock();
        samples.last.clone().filter(|_| samples.is_current)
    }

    /// Last sample, also if the slot is no longer sampled; `None` before the first.
    #[must_use]
    pub fn last(&self) -> Option<WalView> {
        self.lock().last.clone()
    }

    /// Publishes a sample; `None`: the slot is not sampled now.
    pub(crate) fn show(&self, view: Option<WalView>) {
        let mut samples = self.lock();
        samples.is_current = view.is_some();
        samples.last = view.or(samples.last.take());
    }

    /// Locks the state. A poisoned lock is ignored: no code panics while holding it, and a display is not worth
    /// stopping the connector.
    fn lock(&self) -> MutexGuard<'_, Samples> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
