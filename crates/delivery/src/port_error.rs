//! Errors of the ports, and what the connector does about them.

use std::error::Error;
use std::fmt;

use walcast_mapper::dead_letter::DeadLetterReason;

/// What the connector does about an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disposition {
    /// Retry from the checkpoint: the cause may pass without an operator's action.
    Retry,
    /// Stop: an operator must fix the cause, and a restart continues from the checkpoint.
    Stop,
    /// Halt: a change cannot be delivered, or continuing could lose or double changes, so that an operator must decide.
    Halt,
    /// Stop and never write again: another instance with the same name has taken over.
    Fenced,
}

/// What an error concerns, where the connector can do more than its [`Disposition`] says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Detail<'e> {
    /// The schema registry rejected a schema because it is incompatible with earlier schemas of its subject.
    IncompatibleSchema,
    /// Kafka rejected a record.
    RejectedRecord {
        /// Header `walcast.id` of the record.
        id: &'e str,
        /// Reason of the dead letter that the change becomes, if its table has dead letters.
        reason: DeadLetterReason,
    },
    /// A topic does not exist and cannot be created, or may not be written.
    TopicUnusable {
        /// The topic.
        topic: &'e str,
        /// Whether Kafka refuses this topic, and not the way in which topics are created: its name is invalid or collides with that of
        /// another topic, a policy of the brokers rejects it, or the connector is not authorized for it. Other topics may be usable.
        is_refused: bool,
    },
    /// The requested rows, or the condition that selects them, are at fault, and not the server or the connection.
    RowsUnreadable,
    /// The server does not let the connector read the requested rows.
    RowsDenied,
    /// The source rejected or cancelled a statement while the connection holds. If the statement carries the condition of a request,
    /// the request is at fault.
    StatementRejected,
    /// A statement of the source ended with its connection, or in a conflict with other transactions or with recovery. If the
    /// statement carries the condition of a request and that happens at each attempt, the request is at fault.
    StatementInterrupted,
}

/// Error of a port.
pub trait PortError: Error + Send + Sync + 'static {
    /// What the connector does about the error.
    fn disposition(&self) -> Disposition;

    /// What the error concerns.
    fn detail(&self) -> Option<Detail<'_>> {
        None
    }

    /// Whether a start retries too: the server answers, and only its present state prevents the session, not the configuration.
    fn passes_by_itself(&self) -> bool {
        false
    }

    /// Whether the connector retries.
    fn is_retryable(&self) -> bool {
        self.disposition() == Disposition::Retry
    }

    /// Whether another instance has taken over.
    fn is_fenced(&self) -> bool {
        self.disposition() == Disposition::Fenced
    }
}

/// Error of any port.
#[derive(Debug)]
pub struct BoxedPortError(Box<dyn PortError>);

impl BoxedPortError {
    /// The error itself, for a caller that looks for its type.
    #[must_use]
    pub fn as_error(&self) -> &(dyn Error + 'static) {
        &*self.0
    }

    /// See [`PortError::disposition`].
    #[must_use]
    pub fn disposition(&self) -> Disposition {
        self.0.disposition()
    }

    /// See [`PortError::detail`].
    #[must_use]
    pub fn detail(&self) -> Option<Detail<'_>> {
        self.0.detail()
    }

    /// See [`PortError::passes_by_itself`].
    #[must_use]
    pub fn passes_by_itself(&self) -> bool {
        self.0.passes_by_itself()
    }

    /// See [`PortError::is_retryable`].
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        self.0.is_retryable()
    }

    /// See [`PortError::is_fenced`].
    #[must_use]
    pub fn is_fenced(&self) -> bool {
        self.0.is_fenced()
    }
}

impl<E: PortError> From<E> for BoxedPortError {
    fn from(error: E) -> Self {
        Self(Box::new(error))
    }
}

impl fmt::Display for BoxedPortError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl Error for BoxedPortError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.0.source()
    }
}
