//! Rows of catalog queries.

use std::collections::HashMap;
use std::sync::Arc;

use tokio_postgres::Row;
use tokio_postgres::types::FromSqlOwned;
use walcast_pgoutput::recode::readable_name;

/// Row of a catalog query.
pub(crate) struct CatalogRow {
    row: Row,
    texts: RowTexts,
}

/// How the texts of a row become readable.
#[derive(Clone)]
pub(crate) enum RowTexts {
    /// They are UTF-8, or bytes of an unknown encoding.
    Sent,
    /// They are stored in the encoding of the database. The readable form of each that is not ASCII is known.
    Stored(Arc<HashMap<Vec<u8>, String>>),
}

impl RowTexts {
    /// Readable form of a text.
    pub(super) fn readable(&self, text: &[u8]) -> String {
        let known = match self {
            RowTexts::Sent => None,
            RowTexts::Stored(known) => known.get(text),
        };
        known.map_or_else(|| readable_name(text), Clone::clone)
    }
}

impl CatalogRow {
    /// Row with texts as the server sends them.
    pub(super) fn sent(row: Row) -> Self {
        Self {
            row,
            texts: RowTexts::Sent,
        }
    }

    /// Row with texts as they are stored.
    pub(super) fn stored(row: Row, known: &Arc<HashMap<Vec<u8>, String>>) -> Self {
        Self {
            row,
            texts: RowTexts::Stored(Arc::clone(known)),
        }
    }

    pub(super) fn texts(&self) -> &RowTexts {
        &self.texts
    }

    /// Value of a column as it was sent.
    pub(super) fn sent_value<T: FromSqlOwned>(&self, index: usize) -> Result<T, tokio_postgres::Error> {
        self.row.try_get(index)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::sync::Arc;

    use super::RowTexts;

    #[test]
    fn texts_are_readable_whatever_their_encoding_is() {
        let stored = HashMap::from([(b"caf\xE9".to_vec(), "café".to_owned())]);
        let stored = RowTexts::Stored(Arc::new(stored));
        assert_eq!(stored.readable(b"caf\xE9"), "café");
        assert_eq!(stored.readable(b"cafe"), "cafe");
        assert_eq!(RowTexts::Sent.readable("café".as_bytes()), "café");
        assert_eq!(RowTexts::Sent.readable(b"caf\xE9"), "caf\u{FFFD}");
    }
}
