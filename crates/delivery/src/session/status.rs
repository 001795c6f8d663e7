//! Status of the connector, for observers.

use std::time::Duration;

/// Current status of the connector.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Status {
    /// The connector connects, runs its checks and sets up.
    #[default]
    Connecting,
    /// Another instance of the connector leads; this one waits to take over.
    Standby,
    /// The connector streams.
    Streaming,
    /// An error ended the stream; the connector retries from the checkpoint.
    Retrying {
        /// Error, as the connector describes errors: with its causes and its remedy.
        error: String,
        /// Delay before the retry; `None` while the session ends: what was read before the error is still being committed.
        delay: Option<Duration>,
    },
    /// The connector stopped because continuing could lose or duplicate changes.
    Halted {
        /// Finding, as the connector describes errors: with its causes and its remedy.
        error: String,
    },
    /// The connector stopped as requested.
    Stopped,
}

impl Status {
    /// Name of the status: `connecting`, `standby`, `streaming`, `retrying`, `halted` or `stopped`.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Status::Connecting => "connecting",
            Status::Standby => "standby",
            Status::Streaming => "streaming",
            Status::Retrying { .. } => "retrying",
            Status::Halted { .. } => "halted",
            Status::Stopped => "stopped",
        }
    }

    /// Error that keeps the connector from streaming, if there is one.
    #[must_use]
    pub fn error(&self) -> Option<&str> {
        match self {
            Status::Retrying { error, .. } | Status::Halted { error } => Some(error),
            Status::Connecting | Status::Standby | Status::Streaming | Status::Stopped => None,
        }
    }
}
