//! Status of a connector, shared with observers.

use tokio::sync::watch;

use crate::session::status::Status;

/// Current status of a connector. Clones share the status.
#[derive(Clone, Debug, Default)]
pub struct StatusState(watch::Sender<Status>);

impl StatusState {
    /// Current status.
    #[must_use]
    pub fn read(&self) -> Status {
        self.0.borrow().clone()
    }

    /// Whether the connector streams.
    #[must_use]
    pub fn is_streaming(&self) -> bool {
        *self.0.borrow() == Status::Streaming
    }

    /// Receiver of every later status.
    #[must_use]
    pub fn subscribe(&self) -> watch::Receiver<Status> {
        self.0.subscribe()
    }

    /// Changes the status.
    pub fn set(&self, status: Status) {
        self.0.send_replace(status);
    }
}
