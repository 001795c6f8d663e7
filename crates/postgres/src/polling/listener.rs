//! Listener: notifications of new rows, which wake the workers. Without them, rows are found at the next query.

use std::collections::BTreeSet;

use tokio::sync::watch;
use tokio::task::JoinSet;
use tracing::warn;
use walcast_delivery::sql::identifier;

use super::session::connect;
use crate::catalog::execute;
use crate::config::PostgresConfig;
use crate::connect::SqlSession;
use crate::error::PostgresError;

/// Session that listens. Dropping it ends the session.
pub(super) struct Listener {
    _listening: JoinSet<()>,
}

impl Listener {
    /// Listens on channels; `None` without channels, or if that is not possible now.
    pub(super) async fn start(
        config: &PostgresConfig,
        channels: &BTreeSet<String>,
        woken: &watch::Sender<u64>,
    ) -> Option<Self> {
        if channels.is_empty() {
            return None;
        }
        let session = match open(config, channels).await {
            Ok(session) => session,
            Err(error) => {
                warn!(%error, "cannot listen for notifications: new rows are found by queries");
                return None;
            }
        };
        let woken = woken.clone();
        let mut listening = JoinSet::new();
        listening.spawn(async move {
            let mut notifications = session.notifications();
            while notifications.changed().await.is_ok() {
                woken.send_modify(|count| *count = count.wrapping_add(1));
            }
            let why = session.ended().await;
            warn!(
                why,
                "the session that listens has ended: new rows are found by queries"
            );
        });
        Some(Self {
            _listening: listening,
        })
    }
}

async fn open(config: &PostgresConfig, channels: &BTreeSet<String>) -> Result<SqlSession, PostgresError> {
    const DOING: &str = "listening for notifications";
    let session = connect(config).await?;
    for channel in channels {
        execute(&session.client, DOING, &format!("LISTEN {}", identifier(channel))).await?;
    }
    Ok(session)
}
