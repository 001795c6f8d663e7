//! Walsender of an earlier connection, which may hold the slot for up to `wal_sender_timeout`, although its client is gone: killed, cut off,
//! or an instance that has lost leadership and that Kafka has fenced.

use std::time::Duration;

use tokio::time::{Instant, sleep};
use tracing::warn;

use crate::catalog;
use crate::config::PostgresConfig;
use crate::error::PostgresError;
use crate::leadership::Leadership;

/// Time in which a connection that has just ended releases the slot.
const PATIENCE: Duration = Duration::from_millis(500);

/// Least time limit of waiting for the slot. After it the server's error names the process that holds the slot.
const LIMIT_MIN: Duration = Duration::from_secs(10);

/// Greatest time limit, whatever `wal_sender_timeout` is.
const LIMIT_MAX: Duration = Duration::from_secs(120);

/// Time in which the server ends a walsender whose timeout has passed.
const ENDING: Duration = Duration::from_secs(2);

const POLL: Duration = Duration::from_millis(50);

/// Waits until the slot is free, and terminates the walsender of an earlier instance of the same connector that does not release it. Any
/// other walsender is awaited until the server would have ended it if its client were gone. Returns how long the slot was awaited.
///
/// The query uses the leadership connection: an instance that has lost leadership terminates nothing.
pub(crate) async fn terminate_stale_walsender(
    leadership: &Leadership,
    config: &PostgresConfig,
    wal_sender_timeout: Option<Duration>,
) -> Result<Duration, PostgresError> {
    let (client, slot) = (&leadership.session.client, &config.slot);
    let application_name = config.application_name();
    let limit = limit(wal_sender_timeout);
    let began = Instant::now();
    let mut named = None;
    while let Some(holder) = catalog::slot_holder(client, slot, &application_name).await? {
        let waited = began.elapsed();
        if waited >= limit {
            break;
        }
        if waited >= PATIENCE && named != Some(holder.pid) {
            named = Some(holder.pid);
            if holder.is_ours {
                warn!(
                    slot,
                    pid = holder.pid,
                    "an earlier instance still streams, its walsender is terminated"
                );
                catalog::terminate_walsender(client, slot, holder.pid).await?;
            } else {
                warn!(
                    slot,
                    pid = holder.pid,
                    limit_s = limit.as_secs(),
                    "the slot is in use by a session of another role or application_name; it is awaited, because the server ends the \
                     session of a client that is gone after wal_sender_timeout"
                );
            }
        }
        sleep(POLL).await;
    }
    Ok(began.elapsed())
}

/// Time limit of waiting for the slot.
fn limit(wal_sender_timeout: Option<Duration>) -> Duration {
    let ended = wal_sender_timeout.map_or(LIMIT_MIN, |timeout| timeout.saturating_add(ENDING));
    ended.clamp(LIMIT_MIN, LIMIT_MAX)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::limit;

    #[test]
    fn a_session_is_awaited_until_the_server_would_have_ended_it() {
        let seconds = |timeout: Option<u64>| limit(timeout.map(Duration::from_secs)).as_secs();
        assert_eq!(seconds(Some(60)), 62);
        assert_eq!(seconds(Some(1)), 10);
        assert_eq!(seconds(Some(3600)), 120);
        assert_eq!(seconds(None), 10);
    }
}
