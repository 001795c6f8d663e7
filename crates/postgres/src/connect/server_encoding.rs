//! Encoding of a database.

use std::sync::Arc;

/// `client_encoding` of a session that receives texts in UTF-8.
pub(crate) const UTF8: &str = "UTF8";

/// `client_encoding` of a session that receives texts as they are stored.
pub(crate) const AS_STORED: &str = "SQL_ASCII";

/// Encoding of a database (`server_encoding`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ServerEncoding {
    /// `UTF8`.
    Utf8,
    /// `SQL_ASCII`: bytes of no declared encoding.
    SqlAscii,
    /// An encoding that the server converts to UTF-8.
    Converted(Arc<str>),
}

impl ServerEncoding {
    /// Encoding by its name in Postgres.
    pub(super) fn of(name: &str) -> Self {
        match name {
            UTF8 => ServerEncoding::Utf8,
            AS_STORED => ServerEncoding::SqlAscii,
            other => ServerEncoding::Converted(other.into()),
        }
    }

    /// `client_encoding` of SQL sessions. A server validates texts from a database with `SQL_ASCII` that are requested in UTF-8, and
    /// one name that is not UTF-8 would end every query of the catalog.
    pub(crate) fn of_sql_sessions(&self) -> &'static str {
        match self {
            ServerEncoding::Utf8 | ServerEncoding::Converted(_) => UTF8,
            ServerEncoding::SqlAscii => AS_STORED,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::ServerEncoding;

    #[test]
    fn names_are_requested_as_they_are_stored_where_no_encoding_is_declared() {
        assert_eq!(ServerEncoding::of("UTF8"), ServerEncoding::Utf8);
        assert_eq!(ServerEncoding::of("LATIN1").of_sql_sessions(), "UTF8");
        assert_eq!(ServerEncoding::of("SQL_ASCII").of_sql_sessions(), "SQL_ASCII");
    }
}
