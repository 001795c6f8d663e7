//! Sessions on the primary, most of them without settings of their own.

use super::transaction;
use crate::config::PostgresConfig;
use crate::connect::{SessionSettings, SqlSession, connect_with};
use crate::error::PostgresError;

/// Opens a session on the primary.
pub(super) async fn connect(config: &PostgresConfig) -> Result<SqlSession, PostgresError> {
    connect_with_settings(config, SessionSettings::OfRole).await
}

/// Opens a session with these settings on the primary.
pub(super) async fn connect_with_settings(
    config: &PostgresConfig,
    settings: SessionSettings,
) -> Result<SqlSession, PostgresError> {
    let connect = config.connect.clone().for_primary();
    let name = config.application_name();
    let session = connect_with(&connect, &name, settings).await?;
    let in_recovery = transaction::texts(
        &session.client,
        "looking for the primary",
        "SELECT pg_catalog.pg_is_in_recovery()",
    )
    .await?;
    let first = in_recovery.first().and_then(|row| row.first().cloned().flatten());
    if first.as_deref() == Some("t") {
        return Err(PostgresError::InRecovery {
            endpoint: session.endpoint.to_string(),
        });
    }
    Ok(session)
}
