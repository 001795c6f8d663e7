//! Listener: notifications of new rows, which wake the workers. Without them, rows are found at the next query.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::future::pending;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::sleep;
use tracing::warn;
use walcast_delivery::sql::identifier;

use super::session::connect_with_settings;
use crate::catalog::execute;
use crate::config::PostgresConfig;
use crate::connect::{SessionSettings, SqlSession};
use crate::error::PostgresError;

/// Pause before a session listens again, in place of one that has ended.
const PAUSE: Duration = Duration::from_secs(10);

/// Listens on channels, in one session after another. Dropping the future ends the session.
pub(super) async fn listen(
    config: &PostgresConfig,
    channels: &BTreeSet<String>,
    woken: &watch::Sender<u64>,
) -> Infallible {
    if channels.is_empty() {
        return pending().await;
    }
    let wake = || woken.send_modify(|count| *count = count.wrapping_add(1));
    loop {
        match open(config, channels).await {
            Ok(session) => {
                let mut notifications = session.notifications();
                // Rows that came before are in no notification.
                wake();
                while notifications.changed().await.is_ok() {
                    wake();
                }
                let why = session.ended().await;
                warn!(
                    why,
                    "the session that listens has ended: new rows are found by queries"
                );
            }
            Err(error) => warn!(%error, "cannot listen for notifications: new rows are found by queries"),
        }
        sleep(PAUSE).await;
    }
}

/// Opens a session that listens. It is no pooler's, so that it has the settings of the connector: no limit of idle time ends it.
async fn open(config: &PostgresConfig, channels: &BTreeSet<String>) -> Result<SqlSession, PostgresError> {
    const DOING: &str = "listening for notifications";
    let session = connect_with_settings(config, SessionSettings::OfConnector).await?;
    for channel in channels {
        execute(&session.client, DOING, &format!("LISTEN {}", identifier(channel))).await?;
    }
    Ok(session)
}
