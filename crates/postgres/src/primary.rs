//! Sessions on the captured server, which must be a primary.

use walcast_delivery::SystemIdentifier;

use crate::catalog;
use crate::config::PostgresConfig;
use crate::connect::{SqlSession, connect_ordinary};
use crate::error::PostgresError;

/// Connects to the captured server.
pub(crate) async fn connect_primary(
    config: &PostgresConfig,
) -> Result<(SqlSession, SystemIdentifier), PostgresError> {
    let connect = config.connect.clone().for_primary();
    let session = connect_ordinary(&connect, &config.application_name()).await?;
    let system_identifier = primary(&session).await?;
    Ok((session, system_identifier))
}

/// Cluster of a session, which must be on the primary.
async fn primary(session: &SqlSession) -> Result<SystemIdentifier, PostgresError> {
    let cluster = catalog::cluster(&session.client).await?;
    if cluster.in_recovery {
        return Err(PostgresError::InRecovery {
            endpoint: session.endpoint.to_string(),
        });
    }
    Ok(cluster.system_identifier)
}

/// Checks that another session reached the server where this instance leads.
pub(crate) async fn on_primary(
    session: &SqlSession,
    system_identifier: SystemIdentifier,
) -> Result<(), PostgresError> {
    let found = primary(session).await?;
    if found != system_identifier {
        return Err(PostgresError::DifferentServers {
            replication: found,
            ordinary: system_identifier,
        });
    }
    Ok(())
}
