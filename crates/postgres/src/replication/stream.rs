//! Running stream, behind the port of the delivery protocol.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::split;
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tracing::Instrument;
use walcast_delivery::{BoxedPortError, ChangeStream};
use walcast_pgoutput::{FrameBlock, Lsn};

use super::close::{StreamTasks, close};
use super::commands::ReplicationConnection;
use super::feedback::{FeedbackTask, ReplicationFeedback, interval};
use super::queue::{BlockReceiver, queue};
use super::reader::{Reception, StreamReader};
use crate::connect::Client;
use crate::encoding::{Recoding, Texts};
use crate::error::PostgresError;

/// Settings of a stream.
pub(crate) struct StreamSettings {
    pub(crate) slot: String,
    pub(crate) from: Lsn,
    pub(crate) queue_bytes: usize,
    pub(crate) wal_sender_timeout: Option<Duration>,
    /// Client that watches the slot at the end; `None` for a temporary slot, which ends with the connection.
    pub(crate) client: Option<Arc<Client>>,
}

/// Stream of frames in the order in which the server sent them. Dropping it ends the connection at once.
pub struct ReplicationStream {
    slot: String,
    blocks: BlockReceiver,
    /// How texts arrive.
    texts: Texts,
    /// Task that converts the texts of the next block; none if no block waits for it.
    recoding: Recoding,
    reception: Arc<Reception>,
    tasks: StreamTasks,
    client: Option<Arc<Client>>,
}

/// Starts the tasks of a connection on which `START_REPLICATION` has succeeded.
pub(crate) fn stream(
    connection: ReplicationConnection,
    settings: StreamSettings,
) -> (ReplicationStream, ReplicationFeedback) {
    let ReplicationConnection { mut wire, texts } = connection;
    wire.transport.begin_pacing();
    let (read_half, write_half) = split(wire.transport);
    let reception = Arc::new(Reception::starting_at(settings.from));
    let (sender, blocks) = queue(settings.queue_bytes);
    let (stop_feedback, stop) = oneshot::channel();

    let task = StreamReader {
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
        texts,
        recoding: Recoding::new(),
        reception,
        tasks: StreamTasks {
            stop_feedback,
            reader,
            feedback,
        },
        client: settings.client,
    };
    (stream, confirms)
}

impl ReplicationStream {
    /// Next frames, in order. Cancel-safe.
    ///
    /// # Errors
    /// The stream has ended: the server's reason, or the error of the connection.
    pub async fn next_block(&mut self) -> Result<FrameBlock, PostgresError> {
        if self.recoding.is_empty() {
            let block = self.received_block().await?;
            if let Some(block) = self.texts.recode_block(block, &mut self.recoding) {
                return Ok(block);
            }
        }
        // The task holds the block, so that none is lost if this future is dropped.
        match self.recoding.join_next().await {
            Some(Ok(recoded)) => recoded,
            Some(Err(error)) => Err(self.ended(&error.to_string())),
            None => Err(self.ended("no block is converted")),
        }
    }

    /// Next frames as they were received. Cancel-safe.
    async fn received_block(&mut self) -> Result<FrameBlock, PostgresError> {
        match self.blocks.next().await {
            Some(received) => received.map_err(|error| self.texts.ended_by(error)),
            None => Err(self.ended("its error was reported before")),
        }
    }

    fn ended(&self, why: &str) -> PostgresError {
        PostgresError::StreamEnded {
            slot: self.slot.clone(),
            after: self.reception.received(),
            why: Some(why.to_owned()),
        }
    }

    /// Sends the last confirmed position, closes the stream cleanly, and waits until the server has released the slot.
    ///
    /// # Errors
    /// The server does not release the slot.
    pub async fn end(self) -> Result<(), PostgresError> {
        close(self.tasks, self.blocks, &self.slot, self.client).await
    }
}

impl ChangeStream for ReplicationStream {
    async fn next(&mut self) -> Result<FrameBlock, BoxedPortError> {
        Ok(self.next_block().await?)
    }

    async fn stop(self) -> Result<(), BoxedPortError> {
        Ok(self.end().await?)
    }
}
