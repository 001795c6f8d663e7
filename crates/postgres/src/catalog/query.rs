//! Helpers for queries.

use tokio_postgres::Row;
use tokio_postgres::types::{ToSql, Type};
use walcast_pgoutput::{Lsn, Oid, ReplicaIdentity};

use super::catalog_value::CatalogValue;
use crate::connect::Client;
use crate::error::PostgresError;

/// Parameter and its type, which saves the round trip that would ask the server for the type.
pub(crate) type Parameter<'a> = (&'a (dyn ToSql + Sync), Type);

/// All rows of a result.
pub(crate) async fn rows(
    client: &Client,
    doing: &'static str,
    sql: &str,
    parameters: &[Parameter<'_>],
) -> Result<Vec<Row>, PostgresError> {
    client.answered(doing, client.query_typed(sql, parameters)).await
}

/// First row of a result, if there is one.
pub(super) async fn row(
    client: &Client,
    doing: &'static str,
    sql: &str,
    parameters: &[Parameter<'_>],
) -> Result<Option<Row>, PostgresError> {
    Ok(rows(client, doing, sql, parameters).await?.into_iter().next())
}

/// Row of a result that always has one.
pub(super) async fn one(
    client: &Client,
    doing: &'static str,
    sql: &str,
    parameters: &[Parameter<'_>],
) -> Result<Row, PostgresError> {
    let row = row(client, doing, sql, parameters).await?;
    row.ok_or_else(|| unexpected(doing, "no row"))
}

/// Executes a statement without a result.
pub(crate) async fn execute(client: &Client, doing: &'static str, sql: &str) -> Result<(), PostgresError> {
    client.answered(doing, client.batch_execute(sql)).await
}

/// Value of a column. Texts that are not UTF-8, which a database with encoding `SQL_ASCII` can contain, are made readable.
pub(crate) fn value<T: CatalogValue>(
    doing: &'static str,
    row: &Row,
    index: usize,
) -> Result<T, PostgresError> {
    row.try_get(index)
        .map(T::of_sent)
        .map_err(|error| PostgresError::of_query(doing, error))
}

/// LSN, selected as text.
pub(super) fn lsn(doing: &'static str, row: &Row, index: usize) -> Result<Option<Lsn>, PostgresError> {
    let text: Option<String> = value(doing, row, index)?;
    text.map(|text| text.parse().map_err(|_| unexpected(doing, &text)))
        .transpose()
}

/// OID.
pub(super) fn oid(doing: &'static str, row: &Row, index: usize) -> Result<Oid, PostgresError> {
    value::<u32>(doing, row, index).map(Oid::new)
}

/// Replica identity (`pg_class.relreplident`), selected as text.
pub(super) fn replica_identity(
    doing: &'static str,
    row: &Row,
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
