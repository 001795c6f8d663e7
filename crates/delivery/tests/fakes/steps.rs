//! Points at which a run can be interrupted, and the notification of changes.

use std::cell::Cell;
use std::rc::Rc;

use tokio::sync::{Notify, watch};

/// Shared by all modelled systems of one world.
#[derive(Clone)]
pub(crate) struct Steps(Rc<Shared>);

struct Shared {
    taken: Cell<u64>,
    crash_at: Cell<Option<u64>>,
    crashed: Notify,
    changes: watch::Sender<u64>,
}

impl Steps {
    pub(crate) fn new() -> Self {
        Self(Rc::new(Shared {
            taken: Cell::new(0),
            crash_at: Cell::new(None),
            crashed: Notify::new(),
            changes: watch::Sender::new(0),
        }))
    }

    /// Yields to other tasks; at the step chosen for the crash it never returns.
    pub(crate) async fn step(&self) {
        self.0.taken.set(self.0.taken.get() + 1);
        if self.0.crash_at.get() == Some(self.0.taken.get()) {
            self.0.crashed.notify_one();
            std::future::pending::<()>().await;
        }
        tokio::task::yield_now().await;
    }

    /// Number of steps taken so far.
    pub(crate) fn taken(&self) -> u64 {
        self.0.taken.get()
    }

    /// Plans a crash after `more` further steps.
    pub(crate) fn crash_after(&self, more: u64) {
        self.0.crash_at.set(Some(self.taken() + more + 1));
    }

    /// Cancels the planned crash.
    pub(crate) fn cancel_crash(&self) {
        self.0.crash_at.set(None);
    }

    /// Waits for the step chosen for the crash.
    pub(crate) async fn crashed(&self) {
        self.0.crashed.notified().await;
    }

    /// Notifies waiters that the state of a modelled system has changed.
    pub(crate) fn changed(&self) {
        self.0.changes.send_modify(|changes| *changes += 1);
    }

    /// Waits for a condition over the modelled systems.
    pub(crate) async fn until(&self, mut holds: impl FnMut() -> bool) {
        let mut changes = self.0.changes.subscribe();
        while !holds() {
            changes.changed().await.expect("the sender is in the same world");
        }
    }
}
