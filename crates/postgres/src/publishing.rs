//! Adding tables to the publication.
//!
//! `ALTER PUBLICATION … ADD TABLE` waits for locks of the table: behind an index that is created concurrently, a `VACUUM` or a
//! constraint that is validated, for as long as these take. So it runs on a session of its own, which keeps no catalog query of
//! the stream waiting, and ends after a short `lock_timeout`: the table is tried again later.

use walcast_delivery::{Published, Refused, sql};
use walcast_mapper::TableName;

use crate::catalog;
use crate::config::PostgresConfig;
use crate::connect::{SqlSession, connect_to};
use crate::error::PostgresError;
use crate::leader_session::LeaderSession;

const DOING: &str = "adding to the publication";

/// Settings of the session, whatever the role or the database has set: a lock is waited for shortly, and nothing else ends the
/// statement.
const SETTINGS: &str = "SET lock_timeout = '2s'; SET statement_timeout = 0";

/// Adds tables to the publication, each that the server allows.
pub(crate) async fn publish(
    leader: &LeaderSession,
    config: &PostgresConfig,
    tables: &[TableName],
) -> Result<Published, PostgresError> {
    let endpoint = leader.session.endpoint.clone();
    let session = connect_to(&config.connect, endpoint, &config.application_name()).await?;
    catalog::execute(&session.client, DOING, SETTINGS).await?;
    let refused = match tables {
        [_] => add_each(&session, config, tables).await?,
        _ => match add(&session, config, tables).await {
            Ok(()) => Vec::new(),
            Err(error) if error.rejects_statement() => add_each(&session, config, tables).await?,
            Err(error) => return Err(error),
        },
    };
    Ok(Published {
        since: catalog::wal_insert_lsn(&session.client).await?,
        refused,
    })
}

/// Adds tables one by one. One table that the server does not let the connector publish must not keep the others out.
async fn add_each(
    session: &SqlSession,
    config: &PostgresConfig,
    tables: &[TableName],
) -> Result<Vec<Refused>, PostgresError> {
    let mut refused = Vec::new();
    for table in tables {
        match add(session, config, std::slice::from_ref(table)).await {
            Ok(()) => {}
            Err(error) if error.rejects_statement() => refused.push(Refused {
                table: table.clone(),
                error: error.into(),
            }),
            Err(error) => return Err(error),
        }
    }
    Ok(refused)
}

async fn add(
    session: &SqlSession,
    config: &PostgresConfig,
    tables: &[TableName],
) -> Result<(), PostgresError> {
    let sql = sql::add_to_publication(&config.publication, tables);
    catalog::execute(&session.client, DOING, &sql).await
}
