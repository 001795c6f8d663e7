//! Current values of a row's columns that the WAL left out.

use tokio_postgres::SimpleQueryMessage;
use tokio_postgres::error::SqlState;
use tracing::debug;
use walcast_delivery::sql::{self, identifier};
use walcast_mapper::ReselectRequest;

use super::comparable::incomparable_key;
use crate::connect::Client;
use crate::error::PostgresError;

const DOING: &str = "looking up values that the WAL left out";

/// Time limit of the statement. A row is found by its key at once; only a lock delays it.
const STATEMENT_TIMEOUT: &str = "10s";

/// Missing values in the server's text format, which only the simple query protocol returns; `None` when the row, a column or the
/// table no longer exists, when a value has no form in UTF-8, or when a comparison of the key could run a function of the table's owner.
///
/// All statements of one simple query are one transaction, which the first of them makes read-only. The planner would evaluate constant
/// expressions of CHECK constraints, which can call functions of the table's owner.
pub(crate) async fn reselect(
    client: &Client,
    unsent: &ReselectRequest<'_>,
) -> Result<Option<Vec<Option<String>>>, PostgresError> {
    let key: Vec<&str> = unsent.key.iter().map(|(column, _)| *column).collect();
    if let Some(why) = incomparable_key(client, DOING, unsent.table, &key).await? {
        debug!(table = %unsent.table, why, "values that the WAL left out are not looked up");
        return Ok(None);
    }
    let sql = format!(
        "SET TRANSACTION READ ONLY; SET LOCAL statement_timeout = '{STATEMENT_TIMEOUT}'; \
         SET LOCAL lock_timeout = 0; \
         SET LOCAL constraint_exclusion = off; {}",
        select(unsent)
    );
    let messages = match client.answered(DOING, client.simple_query(&sql)).await {
        Ok(messages) => messages,
        Err(error) if finds_no_row(&error) => return Ok(None),
        Err(error) => return Err(error),
    };
    let row = messages.into_iter().find_map(|message| match message {
        SimpleQueryMessage::Row(row) => Some(row),
        _ => None,
    });
    let Some(row) = row else { return Ok(None) };
    let values: Result<Vec<Option<String>>, tokio_postgres::Error> = (0..unsent.columns.len())
        .map(|index| row.try_get(index).map(|value| value.map(str::to_owned)))
        .collect();
    Ok(values
        .inspect_err(
            |error| debug!(table = %unsent.table, %error, "values that the WAL left out are not UTF-8"),
        )
        .ok())
}

fn select(unsent: &ReselectRequest<'_>) -> String {
    let columns: Vec<String> = unsent.columns.iter().map(|column| identifier(column)).collect();
    format!(
        "SELECT {} FROM {} WHERE {}",
        columns.join(", "),
        sql::table(unsent.table),
        sql::equals_key(unsent.key.iter().map(|(column, text)| (column, text)))
    )
}

/// Whether the table was altered so that its rows no longer have such a key: without the table or a column, or with another type,
/// which has no such value or no operator of the server's own. The message of such an error may hold the key.
fn finds_no_row(error: &PostgresError) -> bool {
    error.server_error().is_some_and(|error| {
        let undefined = [
            SqlState::UNDEFINED_TABLE,
            SqlState::UNDEFINED_COLUMN,
            SqlState::UNDEFINED_FUNCTION,
            SqlState::INVALID_SCHEMA_NAME,
        ];
        error.is_data_exception() || undefined.contains(&SqlState::from_code(&error.code))
    })
}
