//! Inspection of the server without leadership, for commands that must not disturb a running instance.

use walcast_delivery::{SourceState, Timeline};
use walcast_mapper::{TableMetadata, TableName};
use walcast_pgoutput::Relation;

use crate::catalog::{self, ExistingTable, ExistingType, RowEstimate, Survey};
use crate::config::PostgresConfig;
use crate::connect::connect_replication;
use crate::error::PostgresError;
use crate::primary::connect_primary;
use crate::replication::ReplicationConnection;
use crate::source_state;

/// Result of [`walcast_delivery::Source::inspect`] without leadership: nothing is created, locked or changed.
///
/// # Errors
/// The server cannot be reached or does not answer.
pub async fn inspect(config: &PostgresConfig, known: Option<Timeline>) -> Result<SourceState, PostgresError> {
    config.validate()?;
    let connected = connect_primary(config).await;
    let (session, system_identifier) = connected.map_err(PostgresError::at_first_connection)?;
    let found = source_state::inspect(&session, config, system_identifier, Vec::new()).await?;
    if known.is_none_or(|known| known == found.timeline) {
        return Ok(found);
    }
    let application_name = config.application_name();
    let wire = connect_replication(
        &config.connect,
        &session.endpoint,
        session.server_version,
        &application_name,
        None,
        session.client.encoding().of_sql_sessions(),
    )
    .await?;
    let history = ReplicationConnection::new(wire)
        .timeline_history(found.timeline)
        .await?;
    Ok(SourceState { history, ..found })
}

/// Relations of the captured tables as the WAL would describe them now, with their metadata. The signal table produces no records and is
/// left out.
///
/// # Errors
/// The server cannot be reached or does not answer.
pub async fn captured_relations(
    config: &PostgresConfig,
    source_state: &SourceState,
) -> Result<Vec<(Relation, TableMetadata)>, PostgresError> {
    let (session, _) = connect_primary(config).await?;
    let client = &session.client;
    let mut relations = Vec::new();
    for table in source_state.captured.iter().map(|table| &table.name) {
        if config.signal_table.as_ref() == Some(table) {
            continue;
        }
        let found =
            catalog::table_description(client, session.server_version, &config.publication, table).await?;
        if let Some(found) = found {
            let metadata = catalog::table_metadata(client, &found.relation, None).await?;
            relations.push((found.relation, metadata));
        }
    }
    Ok(relations)
}

/// Tables and types of the database, and which tables are captured.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Existing {
    /// Tables outside of the system schemas.
    pub tables: Vec<ExistingTable>,
    /// Names of the captured tables, as their changes carry them.
    pub captured: Vec<TableName>,
    /// Types; empty if they were not requested.
    pub types: Vec<ExistingType>,
}

/// Tables and, if requested, types of the database.
///
/// # Errors
/// The server cannot be reached or does not answer.
pub async fn existing(config: &PostgresConfig, with_types: bool) -> Result<Existing, PostgresError> {
    config.validate()?;
    let connected = connect_primary(config).await;
    let (session, system_identifier) = connected.map_err(PostgresError::at_first_connection)?;
    let source_state = source_state::inspect(&session, config, system_identifier, Vec::new()).await?;
    let types = if with_types {
        catalog::existing_types(&session.client).await?
    } else {
        Vec::new()
    };
    Ok(Existing {
        tables: catalog::existing_tables(&session.client).await?,
        captured: source_state
            .captured
            .into_iter()
            .map(|table| table.name)
            .collect(),
        types,
    })
}

/// First look at the database, which depends on the connection alone.
///
/// # Errors
/// The server cannot be reached or does not answer.
pub async fn survey(config: &PostgresConfig) -> Result<Survey, PostgresError> {
    let connected = connect_primary(config).await;
    let (session, _) = connected.map_err(PostgresError::at_first_connection)?;
    catalog::survey(&session.client).await
}

/// Estimate of the existing rows that a first start reads.
///
/// # Errors
/// The server cannot be reached or does not answer.
pub async fn estimate_rows(
    config: &PostgresConfig,
    source_state: &SourceState,
) -> Result<RowEstimate, PostgresError> {
    let (session, _) = connect_primary(config).await?;
    let oids = catalog::read_tables(config, source_state);
    catalog::row_estimate(&session.client, &oids).await
}
