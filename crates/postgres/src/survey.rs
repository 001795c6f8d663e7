//! One look at the server, the slot, the publication and the captured tables.

use walcast_delivery::{Survey, SystemIdentifier, TimelineSwitch};

use crate::catalog;
use crate::config::PostgresConfig;
use crate::connect::Session;
use crate::error::PostgresError;

/// Asks everything. The slot comes before the server's state: what it has confirmed can then not lie beyond the end of the
/// log that is reported.
pub(crate) async fn survey(
    session: &Session,
    config: &PostgresConfig,
    system_identifier: SystemIdentifier,
    history: Vec<TimelineSwitch>,
) -> Result<Survey, PostgresError> {
    let (client, version) = (&session.client, session.server_version);
    let slot = catalog::slot(client, version, &config.slot).await?;
    let server = catalog::server_state(client).await?;
    let publication = catalog::publication(client, version, &config.publication).await?;
    let captured = catalog::captured_tables(
        client,
        version,
        &config.tables,
        &config.exclude,
        publication.as_ref(),
        config.partitions,
    )
    .await?;
    let mut unmatched_patterns = captured.unmatched_patterns;
    if let Some(table) = &config.signal_table
        && !catalog::exists(client, table).await?
    {
        unmatched_patterns.push(table.to_string());
    }
    Ok(Survey {
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
        partitions: config.partitions,
        unmatched_patterns,
    })
}
