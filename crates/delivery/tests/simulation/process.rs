//! A process of the connector, which can be killed and suspended.

use std::cell::Cell;
use std::future::{Future, pending, poll_fn};
use std::pin::Pin;
use std::task::Poll;

use tokio::time::{Instant, Sleep, sleep_until};

/// A process of the connector, from its start to its end.
pub(crate) struct Process {
    /// Name of its instance.
    pub(crate) name: &'static str,
    /// Number of port calls before its death.
    calls_left: Cell<Option<u64>>,
    /// Number of port calls before it is suspended.
    calls_until_frozen: Cell<Option<u64>>,
    /// Whether it is dead; its resources are dropped immediately.
    is_dead: Cell<bool>,
    frozen_until: Cell<Option<Instant>>,
}

impl Process {
    pub(crate) fn new(name: &'static str, calls_left: Option<u64>, calls_until_frozen: Option<u64>) -> Self {
        Self {
            name,
            calls_left: Cell::new(calls_left),
            calls_until_frozen: Cell::new(calls_until_frozen),
            is_dead: Cell::new(false),
            frozen_until: Cell::new(None),
        }
    }

    /// Marks the start or end of a port call; the one chosen for the death never returns.
    pub(crate) async fn step(&self) {
        if let Some(left) = self.calls_left.get() {
            self.calls_left.set(left.checked_sub(1));
            if left == 0 {
                self.is_dead.set(true);
                pending::<()>().await;
            }
        }
    }

    /// Whether the process is suspended at this call.
    pub(crate) fn freezes_here(&self) -> bool {
        let left = self.calls_until_frozen.get();
        self.calls_until_frozen
            .set(left.and_then(|left| left.checked_sub(1)));
        left == Some(0)
    }

    pub(crate) fn kill(&self) {
        self.is_dead.set(true);
    }

    pub(crate) fn is_dead(&self) -> bool {
        self.is_dead.get()
    }

    /// Suspends the process until a time, as SIGSTOP or a live migration of its machine does.
    pub(crate) fn freeze_until(&self, until: Instant) {
        self.frozen_until.set(Some(until));
    }

    /// Runs the process; `None` if it died, at the chosen call, when killed, or after a number of polls.
    pub(crate) async fn run<F: Future>(
        &self,
        mut future: Pin<Box<F>>,
        polls: Option<u64>,
    ) -> Option<F::Output> {
        let mut thaw: Option<Pin<Box<Sleep>>> = None;
        let mut polls = polls;
        let outcome = poll_fn(|context| {
            if let Some(until) = self.frozen_until.get() {
                let sleep = thaw.get_or_insert_with(|| Box::pin(sleep_until(until)));
                if !self.is_dead() && sleep.as_mut().poll(context).is_pending() {
                    return Poll::Pending;
                }
                thaw = None;
                self.frozen_until.set(None);
            }
            if polls == Some(0) {
                self.kill();
            }
            if self.is_dead() {
                return Poll::Ready(None);
            }
            polls = polls.map(|left| left - 1);
            match future.as_mut().poll(context) {
                Poll::Ready(outcome) => Poll::Ready(Some(outcome)),
                Poll::Pending if self.is_dead() => Poll::Ready(None),
                Poll::Pending => Poll::Pending,
            }
        });
        outcome.await
    }
}
