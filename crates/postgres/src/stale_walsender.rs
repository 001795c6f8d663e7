//! Walsender of an earlier leader, which may hold the slot for up to `wal_sender_timeout`, although that instance has lost leadership and
//! Kafka has fenced it.

use std::time::Duration;

use tokio::time::{Instant, sleep};
use tracing::warn;

use crate::catalog;
use crate::config::PostgresConfig;
use crate::error::PostgresError;
use crate::leadership::Leadership;

/// Time in which a connection that has just ended releases the slot.
const PATIENCE: Duration = Duration::from_millis(500);

/// Time limit of waiting for the slot. After it the server's error names the process that holds the slot.
const PATIENCE_MAX: Duration = Duration::from_secs(10);

const POLL: Duration = Duration::from_millis(50);

/// Waits until the slot is free, and terminates the walsender of an earlier instance of the same connector that does not release it.
///
/// The query uses the leadership connection: an instance that has lost leadership terminates nothing.
pub(crate) async fn terminate_stale_walsender(
    leadership: &Leadership,
    config: &PostgresConfig,
) -> Result<(), PostgresError> {
    let (client, slot) = (&leadership.session.client, &config.slot);
    let application_name = config.application_name();
    let began = Instant::now();
    let mut ended = None;
    while let Some(holder) = catalog::slot_holder(client, slot, &application_name).await? {
        let waited = began.elapsed();
        if waited >= PATIENCE_MAX {
            break;
        }
        if waited >= PATIENCE && holder.is_ours && ended != Some(holder.pid) {
            warn!(
                slot,
                pid = holder.pid,
                "an earlier instance still streams, its walsender is terminated"
            );
            catalog::terminate_walsender(client, slot, holder.pid).await?;
            ended = Some(holder.pid);
        }
        sleep(POLL).await;
    }
    Ok(())
}
