//! How a question is asked.

use tokio_postgres::types::{FromSqlOwned, ToSql, Type};
use tokio_postgres::{Client, Row};
use walcast_pgoutput::{Lsn, Oid, ReplicaIdentity};

use crate::error::PostgresError;

/// A parameter and its type, so that no extra round trip asks the server for it.
pub(super) type Parameter<'a> = (&'a (dyn ToSql + Sync), Type);

/// All rows of an answer.
pub(super) async fn rows(
    client: &Client,
    doing: &'static str,
    sql: &str,
    parameters: &[Parameter<'_>],
) -> Result<Vec<Row>, PostgresError> {
    let answer = client.query_typed(sql, parameters).await;
    answer.map_err(|error| PostgresError::of_query(doing, error))
}

/// The one row of an answer, if there is one.
pub(super) async fn row(
    client: &Client,
    doing: &'static str,
    sql: &str,
    parameters: &[Parameter<'_>],
) -> Result<Option<Row>, PostgresError> {
    Ok(rows(client, doing, sql, parameters).await?.into_iter().next())
}

/// The one row of an answer that always has one.
pub(super) async fn one(
    client: &Client,
    doing: &'static str,
    sql: &str,
    parameters: &[Parameter<'_>],
) -> Result<Row, PostgresError> {
    let row = row(client, doing, sql, parameters).await?;
    row.ok_or_else(|| unexpected(doing, "no row"))
}

/// Runs a statement that gives nothing.
pub(crate) async fn execute(client: &Client, doing: &'static str, sql: &str) -> Result<(), PostgresError> {
    let answer = client.batch_execute(sql).await;
    answer.map_err(|error| PostgresError::of_query(doing, error))
}

/// A column's value.
pub(super) fn value<T: FromSqlOwned>(
    doing: &'static str,
    row: &Row,
    index: usize,
) -> Result<T, PostgresError> {
    row.try_get(index)
        .map_err(|error| PostgresError::of_query(doing, error))
}

/// A position that was asked for as text.
pub(super) fn lsn(doing: &'static str, row: &Row, index: usize) -> Result<Option<Lsn>, PostgresError> {
    let text: Option<String> = value(doing, row, index)?;
    text.map(|text| text.parse().map_err(|_| unexpected(doing, &text)))
        .transpose()
}

/// An object identifier.
pub(super) fn oid(doing: &'static str, row: &Row, index: usize) -> Result<Oid, PostgresError> {
    value::<u32>(doing, row, index).map(Oid::new)
}

/// A replica identity (`pg_class.relreplident`), asked for as text.
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
