//! State of the server, the slot, the publication and the captured tables.

use tracing::warn;
use walcast_delivery::{SourceState, SystemIdentifier, TimelineSwitch};

use crate::catalog;
use crate::config::PostgresConfig;
use crate::connect::SqlSession;
use crate::error::PostgresError;

/// Reads the state. The slot is read before the server's state, so that its confirmed position cannot be beyond the reported end of
/// WAL.
pub(crate) async fn inspect(
    session: &SqlSession,
    config: &PostgresConfig,
    system_identifier: SystemIdentifier,
    history: Vec<TimelineSwitch>,
) -> Result<SourceState, PostgresError> {
    let (client, version) = (&session.client, session.server_version);
    let slot = catalog::slot(client, version, &config.slot, &config.application_name()).await?;
    let server = catalog::server_state(client).await?;
    let publication = catalog::publication(client, version, &config.publication).await?;
    let mut captured = catalog::captured_tables(
        client,
        version,
        &config.tables,
        &config.exclude,
        publication.as_ref(),
        config.partitions,
    )
    .await?;
    catalog::find_unsent_keys(
        client,
        version,
        &config.publication,
        &config.keyed,
        &mut captured.tables,
    )
    .await?;
    let memberships = catalog::memberships(client, version, &config.publication, &captured.tables).await?;
    let denied = catalog::denied_tables(client, config, &captured.tables).await?;
    let mut unmatched_patterns = captured.unmatched_patterns;
    if let Some(table) = &config.signal_table
        && !catalog::table_exists(client, table).await?
    {
        unmatched_patterns.push(table.to_string());
    }
    Ok(SourceState {
        system_identifier,
        timeline: server.timeline,
        history,
        server_version: version,
        flush_lsn: server.flush_lsn,
        database: server.database,
        wal_level: server.wal_level,
        slot,
        publication: publication.map(|publication| {
            let mut state = publication.state;
            state.unpublished.retain(|operation| config.needs(operation));
            state
        }),
        captured: captured.tables,
        tables: captured.existing,
        partitions: config.partitions,
        unmatched_patterns,
        denied,
        memberships,
    })
}

/// Logs the names that have no equivalent in UTF-8: of tables that are left out, and of columns, types and enum labels of captured tables.
pub(crate) async fn log_unreadable_names(
    session: &SqlSession,
    config: &PostgresConfig,
    found: &SourceState,
) -> Result<(), PostgresError> {
    for table in catalog::unreadable_tables(session, config).await? {
        warn!(
            relation = %table.name,
            oid = table.oid,
            next = table.rename(),
            "table is left out: its name is not UTF-8"
        );
    }
    for (table, name) in catalog::captured_names(&session.client, &found.captured).await? {
        let (named, effect) = (name.named(), name.effect());
        warn!(
            relation = %table,
            next = name.rename,
            "{named} has no equivalent in UTF-8: {effect}"
        );
    }
    Ok(())
}
