//! Helpers for queries.

use tokio_postgres::types::{ToSql, Type};
use walcast_pgoutput::{Lsn, Oid, ReplicaIdentity};

use super::catalog_row::CatalogRow;
use super::catalog_value::CatalogValue;
use super::stored_texts;
use crate::connect::{Client, ServerEncoding};
use crate::error::{PostgresError, ServerError};

/// Parameter and its type, which saves the round trip that would ask the server for the type.
pub(crate) type Parameter<'a> = (&'a (dyn ToSql + Sync), Type);

/// All rows of a result. A text that the server cannot convert to UTF-8 ends the query: it is executed again for the texts as they are
/// stored.
pub(crate) async fn rows(
    client: &Client,
    doing: &'static str,
    sql: &str,
    parameters: &[Parameter<'_>],
) -> Result<Vec<CatalogRow>, PostgresError> {
    let query = client.query_typed(sql, parameters);
    let answer = match client.encoding() {
        ServerEncoding::Utf8 | ServerEncoding::SqlAscii => client.answered(doing, query).await,
        ServerEncoding::Converted(encoding) => match client.attempted(doing, query).await {
            Err(error) if error.server_error().is_some_and(ServerError::is_untranslatable) => {
                // Boxed, because it is rare and its future is large.
                return Box::pin(stored_texts::rows(client, encoding, doing, sql, parameters)).await;
            }
            answer => answer,
        },
    };
    Ok(answer?.into_iter().map(CatalogRow::sent).collect())
}

/// First row of a result, if there is one.
pub(super) async fn row(
    client: &Client,
    doing: &'static str,
    sql: &str,
    parameters: &[Parameter<'_>],
) -> Result<Option<CatalogRow>, PostgresError> {
    Ok(rows(client, doing, sql, parameters).await?.into_iter().next())
}

/// Row of a result that always has one.
pub(super) async fn one(
    client: &Client,
    doing: &'static str,
    sql: &str,
    parameters: &[Parameter<'_>],
) -> Result<CatalogRow, PostgresError> {
    let row = row(client, doing, sql, parameters).await?;
    row.ok_or_else(|| unexpected(doing, "no row"))
}

/// Executes a statement without a result.
pub(crate) async fn execute(client: &Client, doing: &'static str, sql: &str) -> Result<(), PostgresError> {
    client.answered(doing, client.batch_execute(sql)).await
}

/// Value of a column. Texts that are not UTF-8, or that the server cannot convert to UTF-8, are made readable.
pub(crate) fn value<T: CatalogValue>(
    doing: &'static str,
    row: &CatalogRow,
    index: usize,
) -> Result<T, PostgresError> {
    let sent = row.sent_value(index);
    sent.map(|sent| T::of_sent(sent, row.texts()))
        .map_err(|error| PostgresError::of_query(doing, error))
}

/// LSN, selected as text.
pub(super) fn lsn(doing: &'static str, row: &CatalogRow, index: usize) -> Result<Option<Lsn>, PostgresError> {
    let text: Option<String> = value(doing, row, index)?;
    text.map(|text| text.parse().map_err(|_| unexpected(doing, &text)))
        .transpose()
}

/// OID.
pub(super) fn oid(doing: &'static str, row: &CatalogRow, index: usize) -> Result<Oid, PostgresError> {
    value::<u32>(doing, row, index).map(Oid::new)
}

/// Replica identity (`pg_class.relreplident`), selected as text.
pub(super) fn replica_identity(
    doing: &'static str,
    row: &CatalogRow,
    index: usize,
) -> Result<ReplicaIdentity, PostgresError> {
    let letter: String = value(doing, row, index)?;
    Ok(match letter.as_str() {
        "d" => ReplicaIdentity::Default,
        "n" => ReplicaIdentity::Nothing,
        "f" => ReplicaIdentity::Full,
        "i" => ReplicaIdentity::Index,
        other => return Err(unexpected(doing, other)),
    })
}

pub(super) fn unexpected(doing: &'static str, answer: &str) -> PostgresError {
    PostgresError::UnexpectedAnswer {
        doing,
        answer: answer.to_owned(),
    }
}
