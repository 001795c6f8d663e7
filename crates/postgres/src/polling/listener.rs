//! Listener: notifications of new rows, which wake the workers. Without them, rows are found at the next query.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;
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

/// Task that listens. Dropping it ends its session.
pub(super) struct Listener {
    _listening: JoinSet<()>,
}

impl Listener {
    /// Listens on channels; `None` without channels.
    pub(super) fn start(
        config: &Arc<PostgresConfig>,
        channels: BTreeSet<String>,
        woken: &watch::Sender<u64>,
    ) -> Option<Self> {
        if channels.is_empty() {
            return None;
        }
        let mut listening = JoinSet::new();
        listening.spawn(listen(Arc::clone(config), channels, woken.clone()));
        Some(Self {
            _listening: listening,
        })
    }
}

/// Listens in one session after another.
async fn listen(config: Arc<PostgresConfig>, channels: BTreeSet<String>, woken: watch::Sender<u64>) {
    let wake = || woken.send_modify(|count| *count = count.wrapping_add(1));
    loop {
        match open(&config, &channels).await {
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
