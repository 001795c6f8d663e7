//! Snapshots of a standby, which relieve the primary of reading rows.
//!
//! A standby replays the same WAL, so a slot on it exports a snapshot at a position of that WAL, and the stream of the primary is held
//! there. Standbys have logical slots from version 16 on.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use tracing::info;

use crate::catalog;
use crate::config::PostgresConfig;
use crate::connect::{ConnectConfig, SqlSession, connect_ordinary, connect_replication};
use crate::error::PostgresError;
use crate::leader_session::LeaderSession;
use crate::replication::{ExportedSnapshot, ReplicationConnection, SlotKind};
use crate::slot_creation::SlotCreationObserver;

use super::copy::PostgresSnapshot;
use super::import::import;

/// First version with logical slots on standbys.
pub(crate) const SLOTS_SINCE: u32 = 160_000;

/// Interval at which the primary is requested to log its running transactions, for which a slot on a standby waits.
const REQUEST_INTERVAL: Duration = Duration::from_millis(250);

/// `insufficient_privilege`.
const MAY_NOT: &str = "42501";

/// Takes a snapshot of the standby.
pub(super) async fn take(
    primary: &LeaderSession,
    config: &Arc<PostgresConfig>,
    connect: &ConnectConfig,
    slot: &str,
) -> Result<PostgresSnapshot, PostgresError> {
    let session = connect_ordinary(connect, &config.application_name()).await?;
    let endpoint = session.endpoint.clone();
    if session.server_version < SLOTS_SINCE {
        return Err(PostgresError::StandbyTooOld {
            endpoint: endpoint.to_string(),
            version: session.server_version,
        });
    }
    let wire = connect_replication(
        connect,
        &endpoint,
        session.server_version,
        &config.application_name(),
        None,
        session.client.encoding().of_sql_sessions(),
    )
    .await?;
    let mut replication = ReplicationConnection::new(wire);
    let version = session.server_version;
    let creating = replication.create_slot(
        slot,
        SlotKind::Temporary,
        true,
        version,
        SlotCreationObserver::unnamed(),
    );
    let ExportedSnapshot {
        consistent_point,
        snapshot,
    } = with_running_transactions_logged(&primary.session, creating).await?;
    // Imported before the next command on that connection, which would end the snapshot.
    let snapshot = import(
        &Arc::new(session),
        config,
        connect,
        consistent_point,
        snapshot.as_deref(),
        &primary.own_conversion,
    )
    .await?;
    // The standby has replayed WAL of its timeline, which must be that of the stream.
    let standby = replication.identify_system().await?;
    let timeline = catalog::server_state(&primary.session.client).await?.timeline;
    if standby.system_identifier != primary.system_identifier || standby.timeline != timeline {
        return Err(PostgresError::NotAStandbyOfPrimary {
            endpoint: endpoint.to_string(),
            found: (standby.system_identifier, standby.timeline),
            wanted: (primary.system_identifier, timeline),
        });
    }
    Ok(snapshot)
}

/// Waits for the slot. Meanwhile the primary is requested to log its running transactions, if the role may do so.
async fn with_running_transactions_logged<T>(
    primary: &SqlSession,
    creating: impl Future<Output = Result<T, PostgresError>>,
) -> Result<T, PostgresError> {
    const DOING: &str = "logging running transactions to WAL";
    tokio::pin!(creating);
    let mut next = Instant::now();
    let mut may_request = true;
    loop {
        // Both branches are cancel-safe: the first future is only polled, the second holds no state.
        tokio::select! {
            biased;
            created = &mut creating => return created,
            () = tokio::time::sleep_until(next), if may_request => {}
        }
        next = Instant::now() + REQUEST_INTERVAL;
        let requested = catalog::execute(&primary.client, DOING, "SELECT pg_log_standby_snapshot()").await;
        match requested {
            Ok(()) => {}
            Err(error) if error.server_error().is_some_and(|error| error.code == MAY_NOT) => {
                info!(
                    "a snapshot of the standby waits until the primary logs its running transactions; \
                     GRANT EXECUTE ON FUNCTION pg_log_standby_snapshot() to the role to avoid the wait"
                );
                may_request = false;
            }
            Err(error) => return Err(error),
        }
    }
}
