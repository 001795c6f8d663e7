//! The database of the examples that keep results in Postgres.

use anyhow::Context;
use tokio_postgres::{Client, NoTls};

/// Connects, and creates the tables of an example.
pub(crate) async fn connect(url: &str, tables: &str) -> anyhow::Result<Client> {
    let (client, connection) = tokio_postgres::connect(url, NoTls)
        .await
        .context("cannot connect to the database of the results")?;
    // Statements fail when the connection has ended, with its error.
    tokio::spawn(connection);
    client
        .batch_execute(tables)
        .await
        .context("the tables of the results cannot be created")?;
    Ok(client)
}
