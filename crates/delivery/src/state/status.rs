//! Status of a connector, shared with observers.

use tokio::sync::watch;
use walcast_pgoutput::PgTimestamp;

use crate::session::status::Status;

/// Current status of a connector, and its last error. Clones share both.
#[derive(Clone, Debug, Default)]
pub struct StatusState {
    status: watch::Sender<Status>,
    last_error: watch::Sender<Option<LastError>>,
}

/// Last error that kept a connector from streaming.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastError {
    /// Error, as the connector describes errors: with its causes and its remedy.
    pub text: String,
    /// Time at which it occurred, by the clock of this machine.
    pub at: PgTimestamp,
}

impl StatusState {
    /// Current status.
    #[must_use]
    pub fn read(&self) -> Status {
        self.status.borrow().clone()
    }

    /// Last error since the process started, whether the connector streams again or not.
    #[must_use]
    pub fn last_error(&self) -> Option<LastError> {
        self.last_error.borrow().clone()
    }

    /// Whether the connector streams.
    #[must_use]
    pub fn is_streaming(&self) -> bool {
        *self.status.borrow() == Status::Streaming
    }

    /// Receiver of every later status.
    #[must_use]
    pub fn subscribe(&self) -> watch::Receiver<Status> {
        self.status.subscribe()
    }

    /// Changes the status.
    pub fn set(&self, status: Status) {
        if let Some(text) = status.error() {
            let last = LastError {
                text: text.to_owned(),
                at: PgTimestamp::now(),
            };
            self.last_error.send_replace(Some(last));
        }
        self.status.send_replace(status);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_error_outlives_the_status() {
        let state = StatusState::default();
        assert_eq!(state.last_error(), None);
        state.set(Status::Retrying {
            error: "kafka: no broker".to_owned(),
            delay: None,
        });
        state.set(Status::Streaming);
        assert!(state.is_streaming());
        let last = state.last_error().map(|last| last.text);
        assert_eq!(last.as_deref(), Some("kafka: no broker"));
    }
}
