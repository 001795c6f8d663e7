//! What a server says when it refuses.

use std::fmt;

/// What the server said when it refused.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServerError {
    /// `SQLSTATE`, five characters.
    pub code: String,
    /// The primary message.
    pub message: String,
    /// More about it.
    pub detail: Option<String>,
    /// What the server suggests.
    pub hint: Option<String>,
}

/// `object_in_use`: a slot that another connection streams from.
pub(crate) const OBJECT_IN_USE: &str = "55006";

impl ServerError {
    /// Whether the same request can succeed later without anybody doing something.
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
            "55" => self.code == OBJECT_IN_USE,
            _ => false,
        }
    }
}

impl ServerError {
    /// Whether it lies in what was asked for, and not in the server's state.
    ///
    /// See <https://www.postgresql.org/docs/current/errcodes-appendix.html>.
    pub(super) fn is_about_what_was_asked(&self) -> bool {
        // Not supported, data exception, SQL routine, external routine, syntax error or access rule, PL/pgSQL, damaged data.
        let classes = ["0A", "22", "2F", "38", "39", "42", "P0"];
        let class = self.code.get(..2).unwrap_or_default();
        classes.contains(&class) || self.code == "XX001"
    }
}

impl fmt::Display for ServerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (SQLSTATE {})", self.message, self.code)?;
        for more in [&self.detail, &self.hint].into_iter().flatten() {
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
    fn only_what_passes_by_itself_is_retried() {
        let retried = |code: &str| {
            let error = ServerError {
                code: code.to_owned(),
                ..ServerError::default()
            };
            error.is_retryable()
        };
        for code in [
            "08006", "53300", "55006", "57P01", "57P02", "57P03", "57P05", "40001", "58030",
        ] {
            assert!(retried(code), "{code} is worth a retry");
        }
        for code in [
            "28000", "28P01", "3D000", "42501", "0A000", "22023", "57P04", "55000", "XX000", "",
        ] {
            assert!(!retried(code), "{code} needs somebody");
        }
    }
}
