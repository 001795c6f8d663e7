//! Checks of the condition of a request: whether a table can be read by it.
//!
//! The condition is checked on a session of its own, in a read-only transaction that closing the session rolls back. The
//! statement is only analyzed (`Parse` of the extended protocol) and never executed, so that no function in it runs.

use walcast_delivery::condition::Condition;
use walcast_mapper::TableName;

use super::comparable::incomparable;
use super::query::execute;
use super::table_description::{TableDescription, table_description};
use crate::config::PostgresConfig;
use crate::connect::{Client, SqlSession, connect_to};
use crate::error::PostgresError;

const DOING: &str = "checking a condition";

/// Start of the transaction. Analysis takes milliseconds; only waiting for a lock takes longer.
const CHECKING: &str = "BEGIN READ ONLY; SET LOCAL statement_timeout = '5s'; SET LOCAL lock_timeout = '3s'";

/// Reason for which rows of a table cannot be read by a condition; `None` when they can.
pub(crate) async fn condition_rejection(
    session: &SqlSession,
    config: &PostgresConfig,
    table: &TableName,
    condition: &Condition,
) -> Result<Option<String>, PostgresError> {
    let version = session.server_version;
    let Some(table) = table_description(&session.client, version, &config.publication, table).await? else {
        return Ok(Some("it does not exist".to_owned()));
    };
    if let Some(why) = incomparable_column(&session.client, &table, condition).await? {
        return Ok(Some(why));
    }
    let connect = config.reading(&config.connect);
    let endpoint = session.endpoint.clone();
    let own = connect_to(&connect, endpoint, &config.application_name()).await?;
    execute(&own.client, DOING, CHECKING).await?;
    let statement = table.analyzed(condition);
    let analyzed = own.client.answered(DOING, own.client.prepare(&statement)).await;
    match analyzed {
        Ok(_) => Ok(None),
        Err(error) => match error.server_error() {
            Some(rejection) if !rejection.ends_connection() => Ok(Some(rejection.to_string())),
            _ => Err(error),
        },
    }
}

/// Reason for which a column that a comparison names cannot be compared; `None` when all can, or when the condition is SQL.
pub(crate) async fn incomparable_column(
    client: &Client,
    table: &TableDescription,
    condition: &Condition,
) -> Result<Option<String>, PostgresError> {
    let Some(named) = condition.columns() else {
        return Ok(None);
    };
    let columns = &table.relation.columns;
    if let Some(unknown) = named
        .iter()
        .find(|name| columns.iter().all(|column| column.name != **name))
    {
        return Ok(Some(format!("it has no published column {unknown:?}")));
    }
    let compared: Vec<(&str, u32)> = columns
        .iter()
        .filter(|column| named.contains(column.name.as_str()))
        .map(|column| (column.name.as_str(), column.type_oid.as_u32()))
        .collect();
    incomparable(client, DOING, &compared).await
}
