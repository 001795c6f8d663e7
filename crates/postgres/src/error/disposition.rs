//! What the connector does about an error of Postgres.

use std::error::Error;

use walcast_delivery::{Detail, Disposition, PortError};

use super::server::ServerError;
use super::{PostgresError, is_older_than_publication};

impl PortError for PostgresError {
    fn disposition(&self) -> Disposition {
        let is_retryable = match self {
            // The changes can only be skipped.
            PostgresError::StreamFailed { error, .. } if is_older_than_publication(error) => {
                return Disposition::Halt;
            }
            PostgresError::Server { error, .. } | PostgresError::StreamFailed { error, .. } => {
                error.is_retryable()
            }
            PostgresError::ConditionRejected { code, .. } => ServerError::of_code(code).is_retryable(),
            // After a failover a host may be a standby for a while; a name may move to another address.
            PostgresError::Resolve { .. }
            | PostgresError::Unreachable { .. }
            | PostgresError::ConnectTimeout { .. }
            | PostgresError::NoAnswer { .. }
            | PostgresError::Broken { .. }
            | PostgresError::Query { .. }
            | PostgresError::NoSuitableHost { .. }
            | PostgresError::InRecovery { .. }
            | PostgresError::SlotActive { .. }
            | PostgresError::StreamEnded { .. }
            // The next attempt requests the texts as they are stored.
            | PostgresError::Untranslatable { .. }
            | PostgresError::LeadershipLost { .. }
            | PostgresError::NotLeading
            | PostgresError::TableReplaced { .. }
            | PostgresError::ConditionTimeout { .. }
            | PostgresError::StillActive { .. } => true,
            PostgresError::Conninfo(_)
            | PostgresError::ReadDenied { .. }
            | PostgresError::UnreadableName { .. }
            | PostgresError::RowsUnreadable { .. }
            | PostgresError::Setting { .. }
            | PostgresError::PublicationMissing { .. }
            | PostgresError::NoTableMatches { .. }
            | PostgresError::MayNotPublish { .. }
            | PostgresError::AnswerTooLarge { .. }
            | PostgresError::Login { .. }
            | PostgresError::TlsSetup(_)
            | PostgresError::TlsNotSupported { .. }
            | PostgresError::TlsHandshake { .. }
            | PostgresError::PasswordMissing { .. }
            | PostgresError::PasswordFile { .. }
            | PostgresError::UnsupportedAuthentication { .. }
            | PostgresError::ChannelBinding { .. }
            | PostgresError::Scram { .. }
            | PostgresError::UnexpectedAnswer { .. }
            | PostgresError::Protocol { .. }
            | PostgresError::UnexpectedMessage { .. }
            | PostgresError::DifferentServers { .. }
            | PostgresError::PooledConnection { .. }
            | PostgresError::TooOld { .. }
            | PostgresError::NoFailoverSlots { .. }
            | PostgresError::StandbyTooOld { .. }
            | PostgresError::NotAStandbyOfPrimary { .. }
            | PostgresError::FirstConnection(_) => false,
        };
        if is_retryable {
            Disposition::Retry
        } else {
            Disposition::Stop
        }
    }

    fn passes_by_itself(&self) -> bool {
        matches!(self, PostgresError::Server { error, .. } if error.passes_by_itself())
    }

    fn detail(&self) -> Option<Detail<'_>> {
        if matches!(
            self,
            PostgresError::ReadDenied { .. } | PostgresError::UnreadableName { .. }
        ) {
            Some(Detail::RowsDenied)
        } else if self.is_about_rows() {
            Some(Detail::RowsUnreadable)
        } else if self.rejects_statement() {
            Some(Detail::StatementRejected)
        } else if self.interrupts_statement() {
            Some(Detail::StatementInterrupted)
        } else {
            None
        }
    }
}

impl PostgresError {
    /// Whether the requested rows, or the condition that selects them, are at fault.
    fn is_about_rows(&self) -> bool {
        match self {
            PostgresError::RowsUnreadable { .. } => true,
            PostgresError::Server { error, .. } => error.is_about_what_was_asked(),
            PostgresError::ConditionRejected { code, .. } => {
                ServerError::of_code(code).is_about_what_was_asked()
            }
            _ => false,
        }
    }

    /// Whether the server rejected or cancelled a statement while the connection holds.
    pub(crate) fn rejects_statement(&self) -> bool {
        match self {
            PostgresError::Server { error, .. } => error.rejects_statement(),
            PostgresError::ConditionRejected { code, .. } => ServerError::of_code(code).rejects_statement(),
            PostgresError::ConditionTimeout { .. } => true,
            _ => false,
        }
    }

    /// Whether a lock was not available within `lock_timeout`.
    pub(crate) fn is_lock_unavailable(&self) -> bool {
        self.server_error().is_some_and(ServerError::is_lock_unavailable)
    }

    /// Whether a statement ended with its connection, or in a conflict with other transactions or with recovery.
    fn interrupts_statement(&self) -> bool {
        match self {
            PostgresError::Server { error, .. } => error.interrupts_statement(),
            PostgresError::ConditionRejected { code, .. } => {
                ServerError::of_code(code).interrupts_statement()
            }
            PostgresError::Query { source, .. } => {
                let cause = source.source();
                source.is_closed() || cause.is_some_and(|cause| cause.is::<std::io::Error>())
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use walcast_delivery::{Disposition, PortError};

    use super::PostgresError;

    /// An error of the client library, without an error of the server.
    #[test]
    fn failure_of_the_client_library_names_the_operation_and_is_retried() {
        let failed = "port=x".parse::<tokio_postgres::Config>().unwrap_err();
        let error = PostgresError::of_query("reading the catalog", failed);
        assert!(error.to_string().starts_with("reading the catalog: "), "{error}");
        assert!(matches!(error, PostgresError::Query { .. }), "{error}");
        assert_eq!(error.disposition(), Disposition::Retry);
    }
}
