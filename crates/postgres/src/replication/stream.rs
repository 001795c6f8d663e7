//! The running stream, as the delivery loop sees it.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::{ReadHalf, WriteHalf, split};
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio_postgres::Client;
use tracing::Instrument;
use walcast_delivery::{BoxedFault, ChangeStream};
use walcast_pgoutput::{FrameBlock, Lsn};

use super::commands::ReplicationConnection;
use super::feedback::{FeedbackTask, ReplicationFeedback, interval};
use super::queue::{BlockReceiver, queue};
use super::reader::{Reader, Reception};
use super::stop;
use crate::connect::Transport;
use crate::error::PostgresError;

/// What a stream needs to know.
pub(crate) struct StreamSettings {
    pub(crate) slot: String,
    pub(crate) from: Lsn,
    pub(crate) queue_bytes: usize,
    pub(crate) wal_sender_timeout: Option<Duration>,
    /// By which the slot is watched at the end; `None` for a slot that vanishes with the connection.
    pub(crate) client: Option<Arc<Client>>,
}

/// Frames from the server in the order they were sent. Dropping it ends the connection at once.
pub struct ReplicationStream {
    pub(super) slot: String,
    pub(super) blocks: BlockReceiver,
    pub(super) ended_at: Arc<Reception>,
    pub(super) stop_feedback: oneshot::Sender<()>,
    pub(super) reader: JoinSet<Option<ReadHalf<Transport>>>,
    pub(super) feedback: JoinSet<Option<WriteHalf<Transport>>>,
    pub(super) client: Option<Arc<Client>>,
}

/// Takes over a connection on which `START_REPLICATION` has succeeded.
pub(crate) fn stream(
    connection: ReplicationConnection,
    settings: StreamSettings,
) -> (ReplicationStream, ReplicationFeedback) {
    let mut wire = connection.wire;
    wire.transport.begin_pacing();
    let (read_half, write_half) = split(wire.transport);
    let reception = Arc::new(Reception::starting_at(settings.from));
    let (sender, blocks) = queue(settings.queue_bytes);
    let (stop_feedback, stop) = oneshot::channel();

    let task = Reader {
        socket: read_half,
        buffer: wire.incoming,
        reception: Arc::clone(&reception),
        slot: settings.slot.clone(),
    };
    let mut reader = JoinSet::new();
    reader.spawn(
        task.run(sender)
            .instrument(tracing::info_span!("reader", slot = settings.slot)),
    );

    let update_interval = interval(settings.wal_sender_timeout);
    let (task, confirms) = FeedbackTask::new(write_half, Arc::clone(&reception), update_interval);
    let mut feedback = JoinSet::new();
    feedback.spawn(
        task.run(stop)
            .instrument(tracing::info_span!("feedback", slot = settings.slot)),
    );

    let stream = ReplicationStream {
        slot: settings.slot,
        blocks,
        ended_at: reception,
        stop_feedback,
        reader,
        feedback,
        client: settings.client,
    };
    (stream, confirms)
}

impl ReplicationStream {
    /// The next frames, in order. Cancel-safe.
    ///
    /// # Errors
    /// The stream has ended: the server's reason, or what happened to the connection.
    pub async fn next_block(&mut self) -> Result<FrameBlock, PostgresError> {
        self.blocks.next().await.unwrap_or_else(|| {
            Err(PostgresError::StreamEnded {
                slot: self.slot.clone(),
                after: self.ended_at.received(),
                why: Some("its error was reported before".to_owned()),
            })
        })
    }

    /// Sends what was confirmed last, ends the stream in good order and waits until the server has let go of the slot.
    ///
    /// # Errors
    /// The server holds on to the slot.
    pub async fn end(self) -> Result<(), PostgresError> {
        stop::stop(self).await
    }
}

impl ChangeStream for ReplicationStream {
    async fn next(&mut self) -> Result<FrameBlock, BoxedFault> {
        Ok(self.next_block().await?)
    }

    async fn stop(self) -> Result<(), BoxedFault> {
        Ok(self.end().await?)
    }
}
