//! What `walcast check` asks of the source: every precondition, without leading, creating or disturbing anything.

use walcast_delivery::SystemIdentifier;

use crate::catalog::{self, Precondition};
use crate::config::PostgresConfig;
use crate::connect::{ConnectConfig, Session, connect_ordinary, connect_replication};
use crate::error::{PostgresError, fix};
use crate::replication::ReplicationConnection;
use crate::snapshot::STANDBY_SLOTS_SINCE;
use crate::source::connect_primary;
use crate::survey::survey;

/// Checks every precondition, one after the other; those that depend on one that fails are left out.
///
/// # Errors
/// Settings that cannot be, or a question that the server does not answer. What it refuses is an outcome.
pub async fn preconditions(config: &PostgresConfig) -> Result<Vec<Precondition>, PostgresError> {
    config.validate()?;
    let (session, system_identifier) = match connect_primary(config).await {
        Ok(connected) => connected,
        Err(error) => {
            // The text of a refusal tells the fix already.
            let (why, fix) = match error.server_error() {
                Some(refusal) => (
                    refusal.to_string(),
                    fix(refusal).unwrap_or("see the server's message"),
                ),
                None => (error.to_string(), "correct [postgres] url"),
            };
            return Ok(vec![Precondition::failed("connection", why, fix)]);
        }
    };
    let mut found = vec![Precondition::ok(
        "connection",
        format!("{} as {}", session.endpoint, config.connect.user()),
    )];
    let survey = survey(&session, config, system_identifier, Vec::new()).await?;
    let catalog = catalog::preconditions(&session.client, config, &survey).await?;
    let may_replicate = catalog.iter().all(|one| one.name != catalog::ROLE || one.holds());
    found.extend(catalog);
    if may_replicate {
        found.push(replication_connection(config, &session, system_identifier).await);
    }
    if let Some(reader) = &config.reader {
        found.push(standby(config, reader, system_identifier).await);
    }
    Ok(found)
}

/// Rows are read from a standby of the server that is streamed from.
async fn standby(
    config: &PostgresConfig,
    reader: &ConnectConfig,
    system_identifier: SystemIdentifier,
) -> Precondition {
    const NAME: &str = "standby to read rows from";
    const FIX: &str =
        "point [snapshot] url at a standby (16 and later) of the server of [postgres] url, or leave it out";
    let look = async {
        let session = connect_ordinary(reader, &config.application_name()).await?;
        let found = catalog::cluster(&session.client).await?.system_identifier;
        Ok::<_, PostgresError>((session, found))
    };
    match look.await {
        Err(error) => Precondition::failed(NAME, error.to_string(), FIX),
        Ok((session, _)) if session.server_version < STANDBY_SLOTS_SINCE => Precondition::failed(
            NAME,
            format!("{} is of version {}", session.endpoint, session.server_version),
            FIX,
        ),
        Ok((session, found)) if found != system_identifier => {
            Precondition::failed(NAME, format!("{} is cluster {found}", session.endpoint), FIX)
        }
        Ok((session, _)) => Precondition::ok(NAME, session.endpoint.to_string()),
    }
}

/// A pooler lets ordinary connections through and refuses these, or leads them elsewhere; `pg_hba.conf` can tell them apart.
async fn replication_connection(
    config: &PostgresConfig,
    session: &Session,
    system_identifier: SystemIdentifier,
) -> Precondition {
    const NAME: &str = "replication connection";
    const FIX: &str = "point [postgres] url at the server itself rather than a pooler, and let the role in for database \
                       connections in pg_hba.conf";
    let application_name = config.application_name();
    let connected = connect_replication(&config.connect, &session.endpoint, &application_name, None).await;
    let identity = match connected {
        Ok(wire) => ReplicationConnection::new(wire).identify_system().await,
        Err(error) => Err(error),
    };
    match identity {
        Ok(identity) if identity.system_identifier == system_identifier => Precondition::ok(
            NAME,
            format!("cluster {system_identifier}, timeline {}", identity.timeline),
        ),
        Ok(identity) => Precondition::failed(
            NAME,
            format!(
                "it reaches cluster {}, the ordinary connection {system_identifier}",
                identity.system_identifier
            ),
            FIX,
        ),
        Err(error) => Precondition::failed(NAME, error.to_string(), FIX),
    }
}
