//! Stream from a temporary copy of a slot, beside the connector and without leadership.
//!
//! The copy belongs to the replication connection that made it, so that nothing is left when the connection ends, however that happens.
//! The slot that was copied is neither used nor moved: another client can stream from it meanwhile.

use std::sync::Arc;

use walcast_delivery::{BoxedPortError, ChangeStream, SlotState};
use walcast_pgoutput::{FrameBlock, Lsn};

use crate::catalog;
use crate::config::PostgresConfig;
use crate::encoding::OwnConversion;
use crate::error::PostgresError;
use crate::leader_session::{LeaderSession, open_replication};
use crate::primary::connect_primary;
use crate::replication::{ReplicationFeedback, ReplicationStream, StreamSettings, stream};
use crate::source::PostgresCatalog;

/// First part of the names of temporary copies.
const PREFIX: &str = "walcast_replay_";

/// Stream from a temporary copy of a slot.
pub struct CopiedSlot {
    stream: ReplicationStream,
    feedback: ReplicationFeedback,
    leader: LeaderSession,
    config: Arc<PostgresConfig>,
    origin: CopiedFrom,
    begins_at: Lsn,
}

/// Observer of the slot that was copied.
#[derive(Clone)]
pub struct CopiedFrom {
    leader: LeaderSession,
    slot: String,
    application_name: String,
}

impl CopiedSlot {
    /// Copies a slot, and starts the stream of the transactions whose commit record begins at `from` or later, as far as the slot retains
    /// them. Texts of another encoding are converted one by one, since the stream is not started again after an error.
    ///
    /// # Errors
    /// The server cannot be reached, the slot does not exist or was invalidated, or no slot of the server is free.
    pub async fn open(config: &PostgresConfig, slot: &str, from: Lsn) -> Result<Self, PostgresError> {
        config.validate()?;
        let config = Arc::new(config.clone());
        let (session, system_identifier) = connect_primary(&config).await?;
        let leader = LeaderSession {
            session: Arc::new(session),
            system_identifier,
            own_conversion: OwnConversion::switched_on(),
        };
        let mut replication = open_replication(&config, &leader).await?;
        let wal_sender_timeout = replication.wal_sender_timeout().await?;
        let copy = format!("{PREFIX}{}", replication.backend_pid().await?);
        let begins_at = replication.copy_temporarily(slot, &copy).await?;
        replication
            .start_replication(
                &copy,
                &config.publication,
                from,
                leader.session.server_version,
                std::time::Duration::ZERO,
            )
            .await?;
        let settings = StreamSettings {
            slot: copy,
            from,
            queue_bytes: config.queue_bytes,
            wal_sender_timeout,
            client: None,
        };
        let (stream, feedback) = stream(replication, settings);
        let origin = CopiedFrom {
            leader: leader.clone(),
            slot: slot.to_owned(),
            application_name: config.application_name(),
        };
        Ok(Self {
            stream,
            feedback,
            leader,
            config,
            origin,
            begins_at,
        })
    }

    /// Handle that confirms what was sent, so that the copy retains no more WAL than what is left.
    #[must_use]
    pub fn feedback(&self) -> ReplicationFeedback {
        self.feedback.clone()
    }

    /// Catalog queries.
    #[must_use]
    pub fn catalog(&self) -> PostgresCatalog {
        PostgresCatalog {
            leader: self.leader.clone(),
            config: Arc::clone(&self.config),
            reading: None,
        }
    }

    /// Position of the copy: transactions whose commit record begins before it are not sent. A slot that is in use can have moved since it was
    /// looked up.
    #[must_use]
    pub fn begins_at(&self) -> Lsn {
        self.begins_at
    }

    /// Observer of the slot that was copied.
    #[must_use]
    pub fn origin(&self) -> CopiedFrom {
        self.origin.clone()
    }
}

impl CopiedFrom {
    /// State of the slot that was copied; `None` if it does not exist any more.
    ///
    /// # Errors
    /// The server does not answer.
    pub async fn state(&self) -> Result<Option<SlotState>, PostgresError> {
        let session = &self.leader.session;
        catalog::slot(
            &session.client,
            session.server_version,
            &self.slot,
            &self.application_name,
        )
        .await
    }
}

impl ChangeStream for CopiedSlot {
    async fn next(&mut self) -> Result<FrameBlock, BoxedPortError> {
        Ok(self.stream.next_block().await?)
    }

    async fn stop(self) -> Result<(), BoxedPortError> {
        Ok(self.stream.end().await?)
    }
}
