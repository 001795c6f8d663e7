//! Transactions of sessions that keep no settings of their own.

use tokio_postgres::SimpleQueryMessage;
use walcast_delivery::sql::literal;

use crate::catalog::execute;
use crate::connect::{Client, SqlSession, TIMEOUTS, VALUE_SETTINGS};
use crate::error::{PostgresError, ServerError};

/// Values of a row as the server prints them; `None` for null.
pub(super) type Texts = Vec<Option<String>>;

/// Time after which the server ends a transaction whose client is silent: longer than a Kafka commit, whose answer is awaited for half a
/// minute. Meanwhile its rows are locked.
const IDLE_LIMIT: &str = "60s";

/// Settings of each transaction, whatever the role or the pooler has set. The limits of statements and locks are those of other sessions.
const SETTINGS: &str = "SET LOCAL search_path = pg_catalog; SET LOCAL row_security = off; SET LOCAL standard_conforming_strings = on; \
     SET LOCAL statement_timeout = '60s'; SET LOCAL lock_timeout = '2s'";

/// Statements that begin a transaction. A commit that Postgres forgets in a crash would make an event that was sent one that is to be
/// sent.
pub(super) fn beginning(server_version: u32) -> String {
    let mut sql = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE; ".to_owned();
    for (_, name) in TIMEOUTS.iter().filter(|(since, _)| server_version >= *since) {
        sql.push_str(&format!("SET LOCAL {name} = 0; "));
    }
    for (name, value) in VALUE_SETTINGS {
        sql.push_str(&format!("SET LOCAL {name} = {}; ", literal(value)));
    }
    sql.push_str(SETTINGS);
    sql.push_str(&format!(
        "; SET LOCAL idle_in_transaction_session_timeout = {}; \
         SELECT pg_catalog.set_config('synchronous_commit', 'on', true) \
         WHERE pg_catalog.current_setting('synchronous_commit') = 'off'",
        literal(IDLE_LIMIT)
    ));
    sql
}

/// Begins a transaction.
pub(super) async fn begin(session: &SqlSession) -> Result<(), PostgresError> {
    let sql = beginning(session.server_version);
    let begun = execute(&session.client, "beginning a transaction", &sql).await;
    begun.map_err(|error| match error.server_error() {
        // A standby rejects READ WRITE. Behind a pooler, a transaction may be the first one of the session there.
        Some(ServerError { code, .. }) if code == "0A000" => PostgresError::InRecovery {
            endpoint: session.endpoint.to_string(),
        },
        _ => error,
    })?;
    session.client.stay_in_transaction();
    Ok(())
}

/// Ends a transaction that has written nothing.
pub(super) async fn roll_back(session: &SqlSession) -> Result<(), PostgresError> {
    session.client.leave_transaction();
    execute(&session.client, "ending a transaction", "ROLLBACK").await
}

/// Commits a transaction.
pub(super) async fn commit(session: &SqlSession) -> Result<(), PostgresError> {
    session.client.leave_transaction();
    execute(&session.client, "committing a transaction", "COMMIT").await
}

/// Rows of one statement, with the texts that the stream would contain.
pub(super) async fn texts(
    client: &Client,
    doing: &'static str,
    sql: &str,
) -> Result<Vec<Texts>, PostgresError> {
    rows(doing, client.answered(doing, client.simple_query(sql)).await?)
}

/// The same without a limit of the time that the server may take.
pub(super) async fn unlimited_texts(
    client: &Client,
    doing: &'static str,
    sql: &str,
) -> Result<Vec<Texts>, PostgresError> {
    let answer = client.simple_query(sql).await;
    rows(
        doing,
        answer.map_err(|error| PostgresError::of_query(doing, error))?,
    )
}

fn rows(doing: &'static str, answer: Vec<SimpleQueryMessage>) -> Result<Vec<Texts>, PostgresError> {
    let mut rows = Vec::new();
    for message in answer {
        let SimpleQueryMessage::Row(row) = message else {
            continue;
        };
        let mut values = Vec::with_capacity(row.len());
        for place in 0..row.len() {
            let value = row
                .try_get(place)
                .map_err(|error| PostgresError::of_query(doing, error))?;
            values.push(value.map(str::to_owned));
        }
        rows.push(values);
    }
    Ok(rows)
}

/// Number of rows that a statement has changed.
pub(super) async fn changed(client: &Client, doing: &'static str, sql: &str) -> Result<u64, PostgresError> {
    let answer = client.answered(doing, client.simple_query(sql)).await?;
    Ok(answer
        .iter()
        .map(|message| match message {
            SimpleQueryMessage::CommandComplete(changed) => *changed,
            _ => 0,
        })
        .sum())
}

#[cfg(test)]
mod tests {
    use super::beginning;

    #[test]
    fn settings_end_with_the_transaction() {
        let sql = beginning(170_000);
        let statements: Vec<&str> = sql.split("; ").collect();
        let (begin, settings) = statements.split_first().unwrap();
        assert!(begin.starts_with("BEGIN"), "{sql}");
        for setting in settings {
            let is_local = setting.starts_with("SET LOCAL ") || setting.ends_with("= 'off'");
            assert!(is_local, "{setting}");
        }
        assert!(sql.contains("SET LOCAL transaction_timeout = 0"), "{sql}");
        assert!(!beginning(160_000).contains("transaction_timeout"));
        assert!(sql.contains("SET LOCAL timezone = 'UTC'"), "{sql}");
    }
}
