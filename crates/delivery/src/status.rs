//! What the connector is doing, for those who watch it.

use std::time::Duration;

/// What the connector is doing now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Status {
    /// It connects, checks and sets up.
    #[default]
    Connecting,
    /// Another instance with the same name leads; this one waits to take over.
    Standby,
    /// It streams.
    Streaming,
    /// A fault ended the stream; it tries again from the checkpoint.
    Retrying {
        /// The fault, as printed.
        error: String,
        /// How long it waits before.
        delay: Duration,
    },
    /// It stopped because going on could lose or double changes.
    Halted {
        /// What was found and what resolves it, as printed.
        error: String,
    },
}

impl Status {
    /// One word for it: `connecting`, `standby`, `streaming`, `retrying` or `halted`.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Status::Connecting => "connecting",
            Status::Standby => "standby",
            Status::Streaming => "streaming",
            Status::Retrying { .. } => "retrying",
            Status::Halted { .. } => "halted",
        }
    }

    /// Why it does not stream, when a fault is the reason.
    #[must_use]
    pub fn error(&self) -> Option<&str> {
        match self {
            Status::Retrying { error, .. } | Status::Halted { error } => Some(error),
            Status::Connecting | Status::Standby | Status::Streaming => None,
        }
    }
}
