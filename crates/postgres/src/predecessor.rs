//! The slot, from an instance that led before: its stream may go on for as long as `wal_sender_timeout`, although the lead is
//! lost to it and Kafka takes nothing from it any more.

use std::time::Duration;

use tokio::time::{Instant, sleep};
use tracing::warn;

use crate::catalog;
use crate::config::PostgresConfig;
use crate::error::PostgresError;
use crate::lead::Lead;

/// A connection that has just ended lets go of the slot by itself within this time.
const PATIENCE: Duration = Duration::from_millis(500);

/// How long the server may take to end a stream. Whoever else holds the slot is named by the server then.
const PATIENCE_MAX: Duration = Duration::from_secs(10);

const POLL: Duration = Duration::from_millis(50);

/// Waits until nobody streams from the slot, and ends the stream of an instance of the same connector that does not.
///
/// Asked over the connection that leads: who does not lead any more ends nothing.
pub(crate) async fn wait_out(lead: &Lead, config: &PostgresConfig) -> Result<(), PostgresError> {
    let (client, slot) = (&lead.session.client, &config.slot);
    let application_name = config.application_name();
    let began = Instant::now();
    let mut ended = None;
    while let Some(holder) = catalog::holder(client, slot, &application_name).await? {
        let waited = began.elapsed();
        if waited >= PATIENCE_MAX {
            break;
        }
        if waited >= PATIENCE && holder.is_ours && ended != Some(holder.pid) {
            warn!(
                slot,
                pid = holder.pid,
                "an earlier instance still streams, its connection is ended"
            );
            catalog::end_stream(client, slot, holder.pid).await?;
            ended = Some(holder.pid);
        }
        sleep(POLL).await;
    }
    Ok(())
}
