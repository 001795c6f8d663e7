//! Errors that a server returns.

use std::fmt;

/// Error that a server returned.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServerError {
    /// `SQLSTATE`, five characters.
    pub code: String,
    /// Primary message.
    pub message: String,
    /// Detail.
    pub detail: Option<String>,
    /// Hint.
    pub hint: Option<String>,
}

/// `object_in_use`: a slot that another connection streams from.
pub(crate) const OBJECT_IN_USE: &str = "55006";

const LOCK_NOT_AVAILABLE: &str = "55P03";

/// Beginning of an internal error, which the server does not translate.
const RELATION_GONE: &str = "could not open relation with OID";

impl ServerError {
    /// Whether the same request can succeed later without an operator.
    ///
    /// See <https://www.postgresql.org/docs/current/errcodes-appendix.html>.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        let class = self.code.get(..2).unwrap_or_default();
        match class {
            // Connection exception, transaction rollback, insufficient resources, system error.
            "08" | "40" | "53" | "58" => true,
            // Operator intervention: shutdown, crash, recovery, start-up; but not a database that was dropped (57P04).
            "57" => self.code != "57P04",
            // A session that was silent in a transaction for too long, such as that of a process that was suspended.
            "25" => self.code == "25P03",
            // The lock of a table that another statement holds or awaits.
            "55" => self.code == OBJECT_IN_USE || self.is_lock_unavailable(),
            // A table that was dropped while the catalog was read by an older snapshot: functions of the catalog open it.
            "XX" => self.message.starts_with(RELATION_GONE),
            _ => false,
        }
    }
}

impl ServerError {
    /// Whether the error is an internal one of the server (class XX), whose cause is neither the request nor the configuration.
    #[must_use]
    pub fn is_internal(&self) -> bool {
        self.code.starts_with("XX")
    }

    /// Whether a lock was not available within `lock_timeout`.
    pub(super) fn is_lock_unavailable(&self) -> bool {
        self.code == LOCK_NOT_AVAILABLE
    }

    /// Whether the server answers, and only its present state prevents a session: all connections are taken (53300), or it starts or
    /// shuts down.
    pub(super) fn passes_by_itself(&self) -> bool {
        matches!(self.code.as_str(), "53300" | "57P01" | "57P02" | "57P03")
    }

    /// Error of which only the `SQLSTATE` is known.
    pub(super) fn of_code(code: &str) -> Self {
        Self {
            code: code.to_owned(),
            ..Self::default()
        }
    }

    /// Whether the server ends the connection with the error: shutdown, crash, and errors before a connection is established.
    pub(crate) fn ends_connection(&self) -> bool {
        self.code.starts_with("08")
            || matches!(
                self.code.as_str(),
                "57P01" | "57P02" | "57P03" | "57P04" | "57P05"
            )
    }

    /// Whether the statement itself was rejected or cancelled, while the connection holds: not for a conflict with other
    /// transactions or with recovery (class 40).
    pub(super) fn rejects_statement(&self) -> bool {
        !self.interrupts_statement()
    }

    /// Whether the statement ended with its connection, or in a conflict with other transactions or with recovery (class 40).
    pub(super) fn interrupts_statement(&self) -> bool {
        self.ends_connection() || self.code.starts_with("40")
    }

    /// Whether a value is at fault, which the message may quote.
    pub(crate) fn is_data_exception(&self) -> bool {
        self.code.starts_with("22")
    }

    /// Whether a text has no equivalent in the encoding of the session (22P05), or is not valid in its own (22021).
    pub(crate) fn is_untranslatable(&self) -> bool {
        matches!(self.code.as_str(), "22P05" | "22021")
    }

    /// Whether the detail may hold values of rows: of a data exception, or of a constraint (`Key (id)=(5) already exists`).
    fn has_values_in_detail(&self) -> bool {
        self.is_data_exception() || self.code.starts_with("23")
    }

    /// Whether the cause is the statement or its data, and not the server's state.
    ///
    /// See <https://www.postgresql.org/docs/current/errcodes-appendix.html>.
    pub(super) fn is_about_what_was_asked(&self) -> bool {
        // Not supported, data exception, SQL routine, external routine, syntax error or access rule, PL/pgSQL, damaged data.
        let classes = ["0A", "22", "2F", "38", "39", "42", "P0"];
        let class = self.code.get(..2).unwrap_or_default();
        classes.contains(&class) || self.code == "XX001"
    }
}

/// Values of rows are not printed: a detail that may hold some is left out.
impl fmt::Display for ServerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (SQLSTATE {})", self.message, self.code)?;
        let detail = self.detail.as_ref().filter(|_| !self.has_values_in_detail());
        for more in [detail, self.hint.as_ref()].into_iter().flatten() {
            write!(f, "; {more}")?;
        }
        Ok(())
    }
}

impl std::error::Error for ServerError {}

impl From<&tokio_postgres::error::DbError> for ServerError {
    fn from(error: &tokio_postgres::error::DbError) -> Self {
        Self {
            code: error.code().code().to_owned(),
            message: error.message().to_owned(),
            detail: error.detail().map(str::to_owned),
            hint: error.hint().map(str::to_owned),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::ServerError;

    #[test]
    fn details_that_may_hold_values_are_not_printed() {
        let printed = |code: &str| {
            let error = ServerError {
                code: code.to_owned(),
                message: "message".to_owned(),
                detail: Some("detail".to_owned()),
                hint: Some("hint".to_owned()),
            };
            error.to_string()
        };
        for code in ["22P04", "23505"] {
            assert_eq!(printed(code), format!("message (SQLSTATE {code}); hint"));
        }
        assert_eq!(printed("55000"), "message (SQLSTATE 55000); detail; hint");
    }

    #[test]
    fn retries_transient_errors_only() {
        let retried = |code: &str| {
            let error = ServerError {
                code: code.to_owned(),
                ..ServerError::default()
            };
            error.is_retryable()
        };
        for code in [
            "08006", "53300", "55006", "55P03", "57P01", "57P02", "57P03", "57P05", "25P03", "40001", "58030",
        ] {
            assert!(retried(code), "{code} is worth a retry");
        }
        for code in [
            "25006", "28000", "28P01", "3D000", "42501", "0A000", "22023", "57P04", "55000", "XX000", "",
        ] {
            assert!(!retried(code), "{code} needs an operator");
        }
        let dropped = ServerError {
            code: "XX000".to_owned(),
            message: "could not open relation with OID 17791".to_owned(),
            ..ServerError::default()
        };
        assert!(dropped.is_retryable(), "the next snapshot shows the drop");
    }
}
