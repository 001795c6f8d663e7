//! A standby that rows are read from, so that the server which is written to is spared.
//!
//! It replays the same log, so a slot on it exports a snapshot at a position of that log too, and the stream of the other
//! server is held there. From version 16 on standbys have such slots.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use tracing::info;

use crate::catalog;
use crate::config::PostgresConfig;
use crate::connect::{ConnectConfig, Session, connect_ordinary, connect_replication};
use crate::error::PostgresError;
use crate::replication::{ExportedSnapshot, ReplicationConnection, SlotKind};
use crate::source::Leading;

use super::import::import;
use super::reading::PostgresSnapshot;

/// Standbys have logical slots from here on.
pub(crate) const SLOTS_SINCE: u32 = 160_000;

/// How often the other server is asked to write which transactions run: a slot on a standby waits for that.
const NUDGE_EVERY: Duration = Duration::from_millis(250);

/// `insufficient_privilege`.
const MAY_NOT: &str = "42501";

/// Takes a snapshot of the standby.
pub(super) async fn take(
    primary: &Leading,
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
    let system_identifier = catalog::cluster(&session.client).await?.system_identifier;
    let wire = connect_replication(connect, &endpoint, &config.application_name(), None).await?;
    let mut replication = ReplicationConnection::new(wire);
    let version = session.server_version;
    let creating = replication.create_slot(slot, SlotKind::Temporary, true, version);
    let ExportedSnapshot {
        consistent_point,
        snapshot,
    } = nudged(&primary.session, creating).await?;
    let reader = Leading {
        session: Arc::new(session),
        system_identifier,
    };
    // Before anything else is asked on that connection, which would end the snapshot.
    let snapshot = import(&reader, config, connect, consistent_point, snapshot.as_deref()).await?;
    // What it has replayed until now, it has replayed on its timeline: the stream must be of the same.
    let standby = replication.identify_system().await?;
    let timeline = catalog::server_state(&primary.session.client).await?.timeline;
    if standby.system_identifier != primary.system_identifier || standby.timeline != timeline {
        return Err(PostgresError::NoStandbyOfIt {
            endpoint: endpoint.to_string(),
            found: (standby.system_identifier, standby.timeline),
            wanted: (primary.system_identifier, timeline),
        });
    }
    Ok(snapshot)
}

/// Waits for the slot, and has the other server write meanwhile what it waits for, where we may ask for that.
async fn nudged<T>(
    primary: &Session,
    creating: impl Future<Output = Result<T, PostgresError>>,
) -> Result<T, PostgresError> {
    const DOING: &str = "having running transactions written to the log";
    tokio::pin!(creating);
    let mut next = Instant::now();
    let mut may_ask = true;
    loop {
        // Both are cancel-safe: the first is only looked at, the second holds no state.
        tokio::select! {
            biased;
            created = &mut creating => return created,
            () = tokio::time::sleep_until(next), if may_ask => {}
        }
        next = Instant::now() + NUDGE_EVERY;
        let asked = catalog::execute(&primary.client, DOING, "SELECT pg_log_standby_snapshot()").await;
        match asked {
            Ok(()) => {}
            Err(error) if error.server_error().is_some_and(|error| error.code == MAY_NOT) => {
                info!(
                    "a snapshot of the standby waits until the primary writes which transactions run; \
                     GRANT EXECUTE ON FUNCTION pg_log_standby_snapshot() to the role, and it does not have to wait"
                );
                may_ask = false;
            }
            Err(error) => return Err(error),
        }
    }
}
