//! Exit code of an error: that of the first of its causes which determines one.

use std::error::Error;
use std::io;

use walcast_delivery::{
    BookmarkRejected, DeliveryError, Disposition, Halt, ImportRejected, NoRegistry, PortError,
    RewindRejected, SnapshotRejected,
};
use walcast_kafka::{KafkaError, RegistryError};
use walcast_mapper::MapError;
use walcast_postgres::{PostgresError, ServerError};

use super::{Exit, Rejection, UsageError};
use crate::admin::{AdminError, TokenFileError};
use crate::config::ConfigError;
use crate::debezium::{InputError, OffsetError, StoredError, WorkerError};
use crate::remedy::causes;
use crate::selection::Unmatched;

/// First HTTP status of an error of the server, as opposed to an error of the request.
const SERVER_STATUS: u16 = 500;

impl Exit {
    /// Exit code for an error with which a command ends.
    pub(crate) fn of(error: &anyhow::Error) -> Self {
        causes(error.as_ref())
            .find_map(of_cause)
            .or_else(|| causes(error.as_ref()).find_map(of_unknown_port))
            .unwrap_or(Exit::Failed)
    }
}

fn of_cause(cause: &(dyn Error + 'static)) -> Option<Exit> {
    if is_usage(cause) {
        return Some(Exit::Usage);
    }
    if is_rejected_request(cause) {
        return Some(Exit::Rejected);
    }
    if cause.is::<Halt>() || cause.is::<MapError>() {
        return Some(Exit::Halted);
    }
    let of_connector = cause.downcast_ref().and_then(of_connector);
    of_connector
        .or_else(|| cause.downcast_ref().map(of_postgres))
        .or_else(|| cause.downcast_ref().map(of_kafka))
        .or_else(|| cause.downcast_ref().map(of_registry))
        .or_else(|| cause.downcast_ref().map(of_worker))
        .or_else(|| cause.downcast_ref().map(of_admin))
}

/// Whether the command line, the configuration, or a file that one of them names, is wrong.
fn is_usage(cause: &(dyn Error + 'static)) -> bool {
    cause.is::<ConfigError>()
        || cause.is::<UsageError>()
        || cause.is::<InputError>()
        || cause.is::<Unmatched>()
        || cause.is::<TokenFileError>()
        || cause.is::<NoRegistry>()
}

/// Whether a command rejects the request.
fn is_rejected_request(cause: &(dyn Error + 'static)) -> bool {
    cause.is::<Rejection>()
        || cause.is::<RewindRejected>()
        || cause.is::<BookmarkRejected>()
        || cause.is::<ImportRejected>()
        || cause.is::<SnapshotRejected>()
        || cause.is::<OffsetError>()
        || cause.is::<StoredError>()
}

/// Error of the connector's own work; `None` if a port has failed, whose error is the next cause.
fn of_connector(error: &DeliveryError) -> Option<Exit> {
    match error {
        DeliveryError::Source(_) | DeliveryError::Sink(_) | DeliveryError::Registry { .. } => None,
        other => Some(of_disposition(other.disposition())),
    }
}

/// Error of a port whose type determines nothing.
fn of_unknown_port(cause: &(dyn Error + 'static)) -> Option<Exit> {
    let error: &DeliveryError = cause.downcast_ref()?;
    Some(of_disposition(error.disposition()))
}

fn of_disposition(disposition: Disposition) -> Exit {
    match disposition {
        // At a start, or in a command: a running connector retries.
        Disposition::Retry => Exit::Failed,
        Disposition::Stop => Exit::Denied,
        Disposition::Halt => Exit::Halted,
        Disposition::Fenced => Exit::Fenced,
    }
}

fn of_postgres(error: &PostgresError) -> Exit {
    match error {
        PostgresError::Conninfo(_)
        | PostgresError::Setting { .. }
        | PostgresError::PublicationMissing { .. }
        | PostgresError::NoTableMatches { .. }
        | PostgresError::TlsSetup(_)
        | PostgresError::PasswordFile { .. }
        | PostgresError::PasswordMissing { .. } => Exit::Usage,
        // A server that is not reached yet may be reached by the next start.
        PostgresError::FirstConnection(_) => Exit::Failed,
        other if other.server_error().is_some_and(ServerError::is_internal) => Exit::Failed,
        other => of_disposition(other.disposition()),
    }
}

fn of_kafka(error: &KafkaError) -> Exit {
    match error {
        KafkaError::PropertyNotAllowed { .. }
        | KafkaError::PropertyInvalid { .. }
        | KafkaError::ClientRejected { .. } => Exit::Usage,
        // The operating system has no thread left, or the process is ending.
        KafkaError::Thread { .. } | KafkaError::Stopped => Exit::Failed,
        other => of_disposition(other.disposition()),
    }
}

fn of_registry(error: &RegistryError) -> Exit {
    match error {
        RegistryError::Address { .. } | RegistryError::Proxy { .. } | RegistryError::TlsFile { .. } => {
            Exit::Usage
        }
        RegistryError::Client { .. } => Exit::Failed,
        other => of_disposition(other.disposition()),
    }
}

fn of_worker(error: &WorkerError) -> Exit {
    match error {
        WorkerError::Address { .. } => Exit::Usage,
        WorkerError::NotStopped { .. } => Exit::Rejected,
        WorkerError::Answer { status, .. } | WorkerError::Plugins { status, .. }
            if *status < SERVER_STATUS =>
        {
            Exit::Denied
        }
        WorkerError::Answer { .. }
        | WorkerError::Plugins { .. }
        | WorkerError::Unreachable { .. }
        | WorkerError::Body { .. } => Exit::Failed,
    }
}

fn of_admin(error: &AdminError) -> Exit {
    match error {
        AdminError::Tls(_) | AdminError::Token(_) => Exit::Usage,
        AdminError::Address { source, .. } if source.kind() == io::ErrorKind::PermissionDenied => Exit::Usage,
        // The process that uses the address may end.
        AdminError::Address { .. } => Exit::Failed,
    }
}

#[cfg(test)]
mod tests;
