//! Values of one row as they are now, for those that the log left out.

use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, SimpleQueryMessage};
use walcast_delivery::sql::{self, identifier};
use walcast_mapper::Unsent;

use crate::error::PostgresError;

const DOING: &str = "looking up values that the log left out";

/// A row is found by its key at once; what keeps the server from it longer is a lock.
const STATEMENT_TIMEOUT: &str = "10s";

/// The missing values as the server prints them, which only the simple protocol tells; `None` when the row, a column or the
/// table is gone.
pub(crate) async fn reselect(
    client: &Client,
    unsent: &Unsent<'_>,
) -> Result<Option<Vec<Option<String>>>, PostgresError> {
    let sql = format!(
        "SET LOCAL statement_timeout = '{STATEMENT_TIMEOUT}'; {}",
        select(unsent)
    );
    let messages = match client.simple_query(&sql).await {
        Ok(messages) => messages,
        Err(error) if is_gone(&error) => return Ok(None),
        Err(error) => return Err(PostgresError::of_query(DOING, error)),
    };
    let row = messages.into_iter().find_map(|message| match message {
        SimpleQueryMessage::Row(row) => Some(row),
        _ => None,
    });
    Ok(row.map(|row| {
        let values = (0..unsent.columns.len()).map(|index| row.get(index).map(str::to_owned));
        values.collect()
    }))
}

fn select(unsent: &Unsent<'_>) -> String {
    let columns: Vec<String> = unsent.columns.iter().map(|column| identifier(column)).collect();
    format!(
        "SELECT {} FROM {} WHERE {}",
        columns.join(", "),
        sql::table(unsent.table),
        sql::has_key(unsent.key.iter().map(|(column, text)| (column, text)))
    )
}

fn is_gone(error: &tokio_postgres::Error) -> bool {
    error.code().is_some_and(|code| {
        [
            SqlState::UNDEFINED_TABLE,
            SqlState::UNDEFINED_COLUMN,
            SqlState::INVALID_SCHEMA_NAME,
        ]
        .contains(code)
    })
}
