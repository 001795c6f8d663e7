//! Probe of the WAL that the slot retains, while the stream runs.

use std::sync::Weak;

use tokio::sync::watch;
use walcast_delivery::{BoxedPortError, WalSample, WalWatch};

use crate::catalog;
use crate::connect::SqlSession;

/// Probe of the WAL that the slot retains, over the leader's connection, which it shares with the stream's catalog queries.
pub struct PostgresWalWatch {
    /// Session of the leader, which the probe does not keep open.
    pub(crate) leader: watch::Receiver<Weak<SqlSession>>,
    pub(crate) slot: String,
    /// Whether the size of `pg_wal` is read too.
    pub(crate) with_directory: bool,
}

impl WalWatch for PostgresWalWatch {
    async fn sample(&mut self) -> Result<Option<WalSample>, BoxedPortError> {
        // Not borrowed for longer, because the source could not acquire leadership meanwhile.
        let session = self.leader.borrow().upgrade();
        let Some(session) = session.filter(|session| !session.has_ended()) else {
            return Ok(None);
        };
        let (client, version) = (&session.client, session.server_version);
        Ok(catalog::wal(client, version, &self.slot, self.with_directory).await?)
    }
}
