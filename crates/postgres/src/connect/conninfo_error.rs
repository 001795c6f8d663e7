//! Errors of connection strings.

/// A connection string, or the environment that completes it, is invalid.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConninfoError {
    /// The text is neither a URL nor `key=value` pairs.
    #[error("the connection string is malformed: {problem}")]
    Malformed {
        /// Problem, which never quotes the text: it may hold a password.
        problem: &'static str,
    },
    /// A parameter is unknown.
    #[error("unknown connection parameter {name:?}")]
    Unknown {
        /// Name of the parameter.
        name: String,
    },
    /// A parameter of libpq is not supported.
    #[error("connection parameter {name:?} is not supported: {instead}")]
    Unsupported {
        /// Name of the parameter.
        name: String,
        /// What to do instead.
        instead: &'static str,
    },
    /// The value of a parameter is invalid.
    #[error("connection parameter {name}={value:?} is invalid: {wanted} is wanted")]
    Invalid {
        /// Name of the parameter.
        name: &'static str,
        /// Value of the parameter.
        value: String,
        /// Valid values.
        wanted: &'static str,
    },
    /// Two parameters contradict each other.
    #[error("connection parameters contradict each other: {0}")]
    Contradiction(&'static str),
    /// No role is set.
    #[error("no user is given; write it into the URL (postgres://user@host/database) or set PGUSER")]
    NoUser,
}
