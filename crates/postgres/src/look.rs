//! A look at the server for commands that must not disturb a running instance.

use walcast_delivery::{Survey, Timeline};

use crate::config::PostgresConfig;
use crate::connect::connect_replication;
use crate::error::PostgresError;
use crate::replication::ReplicationConnection;
use crate::source::connect_primary;
use crate::survey::survey;

/// What [`walcast_delivery::Source::survey`] finds, without leading: nothing is created, locked or changed.
///
/// # Errors
/// The server cannot be reached or does not answer.
pub async fn look(config: &PostgresConfig, known: Option<Timeline>) -> Result<Survey, PostgresError> {
    config.validate()?;
    let connected = connect_primary(config).await;
    let (session, system_identifier) = connected.map_err(PostgresError::at_first_connection)?;
    let found = survey(&session, config, system_identifier, Vec::new()).await?;
    if known.is_none_or(|known| known == found.timeline) {
        return Ok(found);
    }
    let application_name = config.application_name();
    let wire = connect_replication(&config.connect, &session.endpoint, &application_name, None).await?;
    let history = ReplicationConnection::new(wire)
        .timeline_history(found.timeline)
        .await?;
    Ok(Survey { history, ..found })
}
