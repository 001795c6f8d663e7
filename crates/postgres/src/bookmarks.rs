//! Bookmarks behind the port of the delivery protocol.

use std::sync::{Arc, Weak};

use tokio::sync::watch;
use walcast_delivery::{BookmarkSample, BookmarkSlots, BoxedPortError, SlotState};

use crate::catalog;
use crate::config::{FAILOVER_SLOTS_SINCE, PostgresConfig};
use crate::connect::{SqlSession, connect_replication};
use crate::error::PostgresError;
use crate::primary::connect_primary;
use crate::replication::ReplicationConnection;
use crate::wal_watch::PostgresWalWatch;

/// Bookmarks of a connector, over the leader's connection or, for a command, over a connection of its own.
pub struct PostgresBookmarks {
    /// Session of the leader, which the bookmarks do not keep open.
    session: watch::Receiver<Weak<SqlSession>>,
    /// Session of a command, which is kept open.
    own: Option<Arc<SqlSession>>,
    slot: String,
}

impl PostgresBookmarks {
    /// Bookmarks over the leader's connection, which a probe of the WAL uses too: they can be read and changed while its source leads.
    #[must_use]
    pub fn of_leader(probe: &PostgresWalWatch) -> Self {
        Self {
            session: probe.leader.clone(),
            own: None,
            slot: probe.slot.clone(),
        }
    }

    /// Connects to the captured server, without leadership and without disturbing a running connector.
    ///
    /// # Errors
    /// A setting is invalid, or no primary can be reached.
    pub async fn connect(config: &PostgresConfig) -> Result<Self, PostgresError> {
        config.validate()?;
        let (session, _) = connect_primary(config).await?;
        let session = Arc::new(session);
        Ok(Self {
            session: watch::Sender::new(Arc::downgrade(&session)).subscribe(),
            own: Some(session),
            slot: config.slot.clone(),
        })
    }

    /// Replaces the connector's slot, from which no client streams, by a copy of a bookmark's. The bookmark stays, and retains
    /// everything that the replaced slot retained. A slot that is missing is created.
    ///
    /// # Errors
    /// The server rejects one of the statements. If the slot was dropped by then, a repetition creates it.
    pub async fn restore(&mut self, config: &PostgresConfig, from: &str) -> Result<(), PostgresError> {
        let session = self.needed_session()?;
        let (client, version) = (&session.client, session.server_version);
        let application_name = config.application_name();
        let replaced = catalog::slot(client, version, &self.slot, &application_name).await?;
        let held = catalog::slot(client, version, from, &application_name).await?;
        let held = held.and_then(|slot| slot.confirmed_flush_lsn);
        // A slot at the position of the bookmark can be the copy that an interrupted command has made and not altered yet.
        let may_be_copy = |slot: &SlotState| held.is_some() && slot.confirmed_flush_lsn == held;
        let is_failover = match &replaced {
            Some(slot) if version >= FAILOVER_SLOTS_SINCE => {
                catalog::is_failover_slot(client, &self.slot).await?
                    || may_be_copy(slot) && config.creates_failover_slot(version)
            }
            Some(_) | None => config.creates_failover_slot(version),
        };
        // Before anything is dropped: the server never copies this property, and only a replication connection can set it.
        let mut replication = None;
        if is_failover {
            let wire = connect_replication(
                &config.connect,
                &session.endpoint,
                version,
                &application_name,
                None,
                client.encoding().of_sql_sessions(),
            );
            replication = Some(ReplicationConnection::new(wire.await?));
        }
        if replaced.is_some() {
            catalog::drop_slot(client, &self.slot).await?;
        }
        catalog::copy_slot(client, from, &self.slot).await?;
        match &mut replication {
            Some(replication) => replication.make_failover_slot(&self.slot).await,
            None => Ok(()),
        }
    }

    /// Session that can be used now.
    fn session(&self) -> Option<Arc<SqlSession>> {
        let session = match &self.own {
            Some(own) => Some(Arc::clone(own)),
            // Not borrowed for longer, because the source could not acquire leadership meanwhile.
            None => self.session.borrow().upgrade(),
        };
        session.filter(|session| !session.has_ended())
    }

    fn needed_session(&self) -> Result<Arc<SqlSession>, PostgresError> {
        self.session().ok_or(PostgresError::NotLeading)
    }
}

impl BookmarkSlots for PostgresBookmarks {
    async fn look(&mut self) -> Result<Option<BookmarkSample>, BoxedPortError> {
        let Some(session) = self.session() else {
            return Ok(None);
        };
        let sample = catalog::bookmarks(&session.client, session.server_version, &self.slot).await?;
        Ok(Some(sample))
    }

    async fn copy(&mut self, slot: &str) -> Result<(), BoxedPortError> {
        let session = self.needed_session()?;
        Ok(catalog::copy_slot(&session.client, &self.slot, slot).await?)
    }

    async fn drop_slot(&mut self, slot: &str) -> Result<(), BoxedPortError> {
        let session = self.needed_session()?;
        Ok(catalog::drop_slot(&session.client, slot).await?)
    }
}
