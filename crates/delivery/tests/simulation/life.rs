//! One process of the connector: how it is cut off, and how it is held up.

use std::cell::Cell;
use std::future::{Future, pending, poll_fn};
use std::pin::Pin;
use std::task::Poll;

use tokio::time::{Instant, Sleep, sleep_until};

/// A process, from its start to its end.
pub(crate) struct Life {
    /// Which instance it is of.
    pub(crate) name: &'static str,
    /// At which call of an edge it dies.
    calls_left: Cell<Option<u64>>,
    /// At which call of an edge it is held up.
    calls_until_frozen: Cell<Option<u64>>,
    /// It is dead; what it holds is dropped at once.
    is_doomed: Cell<bool>,
    frozen_until: Cell<Option<Instant>>,
}

impl Life {
    pub(crate) fn new(name: &'static str, calls_left: Option<u64>, calls_until_frozen: Option<u64>) -> Self {
        Self {
            name,
            calls_left: Cell::new(calls_left),
            calls_until_frozen: Cell::new(calls_until_frozen),
            is_doomed: Cell::new(false),
            frozen_until: Cell::new(None),
        }
    }

    /// A call of an edge begins or ends; the one that was chosen for the death never does.
    pub(crate) async fn step(&self) {
        if let Some(left) = self.calls_left.get() {
            self.calls_left.set(left.checked_sub(1));
            if left == 0 {
                self.is_doomed.set(true);
                pending::<()>().await;
            }
        }
    }

    /// Whether this is the call at which it is held up.
    pub(crate) fn freezes_here(&self) -> bool {
        let left = self.calls_until_frozen.get();
        self.calls_until_frozen
            .set(left.and_then(|left| left.checked_sub(1)));
        left == Some(0)
    }

    pub(crate) fn kill(&self) {
        self.is_doomed.set(true);
    }

    pub(crate) fn is_doomed(&self) -> bool {
        self.is_doomed.get()
    }

    /// The process is not scheduled until then, as under SIGSTOP or when its machine is moved.
    pub(crate) fn freeze_until(&self, until: Instant) {
        self.frozen_until.set(Some(until));
    }

    /// Runs the process: `None` when it died, by a call that was chosen, by being killed, or after a number of polls.
    pub(crate) async fn live<F: Future>(
        &self,
        mut process: Pin<Box<F>>,
        polls: Option<u64>,
    ) -> Option<F::Output> {
        let mut thaw: Option<Pin<Box<Sleep>>> = None;
        let mut polls = polls;
        let outcome = poll_fn(|context| {
            if let Some(until) = self.frozen_until.get() {
                let sleep = thaw.get_or_insert_with(|| Box::pin(sleep_until(until)));
                if !self.is_doomed() && sleep.as_mut().poll(context).is_pending() {
                    return Poll::Pending;
                }
                thaw = None;
                self.frozen_until.set(None);
            }
            if polls == Some(0) {
                self.kill();
            }
            if self.is_doomed() {
                return Poll::Ready(None);
            }
            polls = polls.map(|left| left - 1);
            match process.as_mut().poll(context) {
                Poll::Ready(outcome) => Poll::Ready(Some(outcome)),
                Poll::Pending if self.is_doomed() => Poll::Ready(None),
                Poll::Pending => Poll::Pending,
            }
        });
        outcome.await
    }
}
