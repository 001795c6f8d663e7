//! Texts of a database with another encoding than UTF8.
//!
//! A session requests texts in UTF-8 (`client_encoding`), and the server converts them: values, names, and messages, in the stream and
//! in COPY. A server has no conversion of a character without equivalent in UTF-8 (SQLSTATE 22P05), and ends the stream or the
//! statement at it, for good. The connector then requests the texts as they are stored (`client_encoding = 'SQL_ASCII'`), and has the
//! server convert them one by one ([`Converter`]), so that only the values without equivalent have no form. A database with encoding
//! `SQL_ASCII` declares no encoding: its texts are always requested as they are stored, and are never converted.

mod converter;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::task::JoinSet;
use walcast_pgoutput::FrameBlock;
use walcast_pgoutput::recode::ReadableNames;

use crate::connect::{AS_STORED, Client, ServerEncoding, SqlSession, UTF8};
use crate::error::{PostgresError, ServerError};
use converter::Converter;

/// Whether the connector has texts converted one by one. One source and its snapshots share it; a new process begins without it.
#[derive(Clone, Debug, Default)]
pub(crate) struct OwnConversion(Arc<AtomicBool>);

impl OwnConversion {
    /// Own conversion from the start.
    pub(crate) fn switched_on() -> Self {
        let own = Self::default();
        own.switch_on();
        own
    }

    fn is_on(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    fn switch_on(&self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Task that converts the texts of a block.
pub(crate) type Recoding = JoinSet<Result<FrameBlock, PostgresError>>;

/// Names of a database with this encoding, as they are stored, with their equivalents in UTF-8; `None` is a name without one.
pub(crate) async fn convert_names(
    client: &Client,
    encoding: &str,
    names: HashSet<Vec<u8>>,
) -> Result<HashMap<Vec<u8>, Option<Vec<u8>>>, PostgresError> {
    converter::names(client, encoding, names).await
}

/// How texts of a stream, or of rows, arrive and become UTF-8.
#[derive(Clone)]
pub(crate) enum Texts {
    /// The texts arrive in UTF-8.
    InUtf8,
    /// The texts arrive as they are stored, in an unknown encoding.
    Unknown,
    /// The server converts all texts, until it cannot convert one.
    ConvertedByServer {
        /// Encoding of the database.
        encoding: Arc<str>,
        /// Switched on when the server cannot convert a text.
        own: OwnConversion,
    },
    /// The texts arrive as they are stored, and are converted one by one.
    ConvertedSingly(Converter),
}

impl Texts {
    /// Texts of the session's database.
    pub(crate) fn of(session: &SqlSession, own: &OwnConversion) -> Self {
        match session.client.encoding() {
            ServerEncoding::Utf8 => Texts::InUtf8,
            ServerEncoding::SqlAscii => Texts::Unknown,
            ServerEncoding::Converted(encoding) if own.is_on() => {
                Texts::ConvertedSingly(Converter::new(Arc::clone(&session.client), encoding))
            }
            ServerEncoding::Converted(encoding) => Texts::ConvertedByServer {
                encoding: Arc::clone(encoding),
                own: own.clone(),
            },
        }
    }

    /// Texts of the session's database, which the server converts if anyone does.
    pub(crate) fn converted_by_server(session: &SqlSession) -> Self {
        match session.client.encoding() {
            ServerEncoding::Utf8 | ServerEncoding::Converted(_) => Texts::InUtf8,
            ServerEncoding::SqlAscii => Texts::Unknown,
        }
    }

    /// `client_encoding` of the session in which the texts arrive.
    pub(crate) fn client_encoding(&self) -> &'static str {
        match self {
            Texts::InUtf8 | Texts::ConvertedByServer { .. } => UTF8,
            Texts::Unknown | Texts::ConvertedSingly(_) => AS_STORED,
        }
    }

    /// Options of COPY, behind the statement.
    pub(crate) fn copy_options(&self) -> &'static str {
        match self {
            Texts::InUtf8 | Texts::ConvertedByServer { .. } => "",
            Texts::Unknown | Texts::ConvertedSingly(_) => " (ENCODING 'SQL_ASCII')",
        }
    }

    /// Error that ended the texts. If the server could not convert a text, the next attempt requests the texts as they are stored.
    pub(crate) fn ended_by(&self, error: PostgresError) -> PostgresError {
        let is_untranslatable = error.server_error().is_some_and(ServerError::is_untranslatable);
        match self {
            Texts::ConvertedByServer { encoding, own } if is_untranslatable => {
                own.switch_on();
                PostgresError::Untranslatable {
                    encoding: encoding.as_ref().to_owned(),
                    error: Box::new(error),
                }
            }
            _ => error,
        }
    }

    /// Block of the stream with its texts in UTF-8, as far as they can be; `None` if a task of `recoding` will return it.
    pub(crate) fn recode_block(&self, block: FrameBlock, recoding: &mut Recoding) -> Option<FrameBlock> {
        match self {
            Texts::InUtf8 | Texts::ConvertedByServer { .. } => Some(block),
            Texts::Unknown => Some(block.recode(&mut ReadableNames)),
            Texts::ConvertedSingly(converter) => {
                let converter = converter.clone();
                recoding.spawn(async move { converter.block(&block).await });
                None
            }
        }
    }

    /// Rows of COPY with their texts in UTF-8, as far as they can be.
    pub(crate) async fn recode_rows(&self, rows: Vec<u8>) -> Result<Vec<u8>, PostgresError> {
        match self {
            Texts::InUtf8 | Texts::ConvertedByServer { .. } | Texts::Unknown => Ok(rows),
            Texts::ConvertedSingly(converter) => converter.rows(rows).await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{OwnConversion, Texts};
    use crate::error::{PostgresError, ServerError};

    fn failed(code: &str) -> PostgresError {
        PostgresError::Server {
            doing: "reading a table",
            error: Box::new(ServerError {
                code: code.to_owned(),
                ..ServerError::default()
            }),
        }
    }

    #[test]
    fn own_conversion_begins_when_the_server_cannot_convert_a_text() {
        let own = OwnConversion::default();
        let texts = Texts::ConvertedByServer {
            encoding: "WIN1252".into(),
            own: own.clone(),
        };
        assert!(matches!(
            texts.ended_by(failed("57P01")),
            PostgresError::Server { .. }
        ));
        assert!(!own.is_on());
        assert!(matches!(
            Texts::InUtf8.ended_by(failed("22P05")),
            PostgresError::Server { .. }
        ));
        assert!(matches!(
            texts.ended_by(failed("22P05")),
            PostgresError::Untranslatable { encoding, .. } if encoding == "WIN1252"
        ));
        assert!(own.is_on());
    }

    #[test]
    fn bytes_are_requested_as_they_are_stored_where_no_encoding_is_declared() {
        assert_eq!(Texts::InUtf8.client_encoding(), "UTF8");
        assert_eq!(Texts::Unknown.client_encoding(), "SQL_ASCII");
        assert_eq!(Texts::Unknown.copy_options(), " (ENCODING 'SQL_ASCII')");
    }
}
