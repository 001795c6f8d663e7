//! Errors of the schema registry client. Texts of the registry are cut to a limit and hold no credentials.

use std::path::PathBuf;

use walcast_delivery::{Detail, Disposition, PortError};

use super::difference::SchemaChanges;

/// Failure of the schema registry client. No text holds credentials.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RegistryError {
    /// The URL cannot be used.
    #[error("the URL of the schema registry {problem}")]
    Address {
        /// Problem of the URL, as a predicate.
        problem: AddressProblem,
    },
    /// The HTTP client cannot be set up.
    #[error("the client of the schema registry cannot be set up: {reason}")]
    Client {
        /// Error of the client library.
        reason: String,
    },
    /// A file with certificates or a key cannot be used.
    #[error("{} cannot be used: {reason}", path.display())]
    TlsFile {
        /// Role of the file.
        file: TlsFile,
        /// Path of the file.
        path: PathBuf,
        /// Problem of the file, without any of its content.
        reason: String,
    },
    /// A certificate was rejected by either side, or the peer does not speak TLS.
    #[error("TLS with {url} failed: {reason}")]
    Tls {
        /// Base URL of the registry.
        url: String,
        /// Error of the TLS library.
        reason: String,
    },
    /// The proxy's URL cannot be used.
    #[error("the URL of the schema registry's proxy {problem}")]
    Proxy {
        /// Problem of the URL, as a predicate.
        problem: &'static str,
    },
    /// The registry answers with a redirect.
    #[error("{url} answers with a redirect to {to} (status {status}), and redirects are not followed")]
    Redirected {
        /// Base URL of the registry.
        url: String,
        /// HTTP status.
        status: u16,
        /// Host and port of the redirect.
        to: String,
    },
    /// The response is longer than any of a schema registry.
    #[error("{url} answers with more than {limit} bytes, which is more than a schema registry sends")]
    Oversized {
        /// Base URL of the registry.
        url: String,
        /// Limit of a response.
        limit: usize,
    },
    /// The registry does not answer.
    #[error("no answer from {url}: {reason}")]
    Unreachable {
        /// Base URL of the registry.
        url: String,
        /// Error of the operating system.
        reason: String,
    },
    /// Authentication or authorization failed.
    #[error("{url} denies access (status {status}): {message}")]
    Unauthorized {
        /// Base URL of the registry.
        url: String,
        /// HTTP status.
        status: u16,
        /// Message of the registry.
        message: String,
    },
    /// The schema breaks the subject's compatibility rule.
    #[error(
        "{url} rejects the schema for subject {subject} as incompatible with an earlier version: {message}{changes}"
    )]
    Incompatible {
        /// Base URL of the registry.
        url: String,
        /// Subject.
        subject: String,
        /// Message of the registry.
        message: String,
        /// Differences from the subject's latest version.
        changes: SchemaChanges,
    },
    /// The registry rejects the schema.
    #[error("{url} rejects the schema for subject {subject} (status {status}): {message}")]
    Rejected {
        /// Base URL of the registry.
        url: String,
        /// Subject.
        subject: String,
        /// HTTP status.
        status: u16,
        /// Message of the registry.
        message: String,
    },
    /// The schema is not registered, and the connector does not register it.
    #[error(
        "the schema of subject {subject} is not registered at {url}{registration}; the schema is {schema}"
    )]
    NotRegistered {
        /// Base URL of the registry.
        url: String,
        /// Subject.
        subject: String,
        /// The schema in full, so that it can be registered.
        schema: String,
        /// Reason for which the connector does not register the schema.
        registration: Registration,
    },
    /// The URL is not that of a schema registry.
    #[error("{url} is no Confluent schema registry interface (status 404): {message}{}", elsewhere(answers_at.as_deref()))]
    NotFound {
        /// Base URL of the registry.
        url: String,
        /// Message of the registry.
        message: String,
        /// Address on the same server at which a registry answers, if there is one.
        answers_at: Option<String>,
    },
    /// The registry reports an internal error.
    #[error("{url} reports a server error (status {status}): {message}")]
    ServerError {
        /// Base URL of the registry.
        url: String,
        /// HTTP status.
        status: u16,
        /// Message of the registry.
        message: String,
    },
    /// The response is not that of a schema registry.
    #[error("the response of {url} is invalid: {reason}")]
    UnexpectedAnswer {
        /// Base URL of the registry.
        url: String,
        /// Problem of the response.
        reason: String,
    },
}

fn elsewhere(answers_at: Option<&str>) -> String {
    answers_at.map_or_else(String::new, |url| format!("; {url} is one"))
}

/// Reason for which a schema is looked up and not registered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Registration {
    /// The configuration disables it.
    #[error(", and the configuration disables registration")]
    Disabled,
    /// The registry denies it.
    #[error(", which denies registration (status 403): {message}")]
    Denied {
        /// Message of the registry.
        message: String,
    },
}

/// Problem of a registry's URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressProblem {
    /// The scheme is not HTTP.
    #[error("must begin with http:// or https://")]
    Scheme,
    /// The URL holds credentials. They are separate settings, because URLs are printed.
    #[error("must not hold credentials")]
    Credentials,
    /// The URL has no host.
    #[error("names no host")]
    NoHost,
}

/// Role of a file for TLS with the registry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TlsFile {
    /// CA certificates.
    CaCertificates,
    /// Client key.
    Key,
    /// Client certificate.
    Certificate,
}

impl PortError for RegistryError {
    fn disposition(&self) -> Disposition {
        match self {
            Self::Unreachable { .. } | Self::ServerError { .. } => Disposition::Retry,
            Self::Incompatible { .. } | Self::Rejected { .. } | Self::NotRegistered { .. } => {
                Disposition::Halt
            }
            // A certificate that is rejected now is rejected later.
            Self::Address { .. }
            | Self::Client { .. }
            | Self::TlsFile { .. }
            | Self::Proxy { .. }
            | Self::Redirected { .. }
            | Self::Oversized { .. }
            | Self::Tls { .. }
            | Self::Unauthorized { .. }
            | Self::NotFound { .. }
            | Self::UnexpectedAnswer { .. } => Disposition::Stop,
        }
    }

    fn detail(&self) -> Option<Detail<'_>> {
        matches!(self, Self::Incompatible { .. }).then_some(Detail::IncompatibleSchema)
    }
}
