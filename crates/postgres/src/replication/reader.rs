//! Task that reads the stream.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::BytesMut;
use tokio::io::{AsyncReadExt, ReadHalf};
use tokio::sync::Notify;
use walcast_pgoutput::{DecodeError, Frame, FrameBlock, Lsn};

use super::queue::{BlockSender, Closed};
use crate::backend::{Arrived, BackendMessage};
use crate::connect::Transport;
use crate::error::PostgresError;

/// Size of the read buffer's allocations: the amount that arrives in a pause of two milliseconds at the highest measured rate.
const READ_BYTES: usize = 256 * 1024;

/// Least free capacity of the buffer. With less a new allocation begins, so that reads while catching up are never small.
const READ_BYTES_MIN: usize = 64 * 1024;

/// State that the reader task shares with the feedback task.
#[derive(Debug, Default)]
pub(crate) struct Reception {
    received: AtomicU64,
    /// Notified when the server requests a status update.
    pub(super) reply_requested: Notify,
}

impl Reception {
    pub(crate) fn starting_at(from: Lsn) -> Self {
        Self {
            received: AtomicU64::new(from.as_u64()),
            reply_requested: Notify::new(),
        }
    }

    /// Last position that was read from the socket.
    pub(crate) fn received(&self) -> Lsn {
        Lsn::new(self.received.load(Ordering::Relaxed))
    }

    /// Records the headers of a block before it is queued.
    pub(crate) fn record(&self, block: &FrameBlock) -> Result<(), DecodeError> {
        let mut furthest = Lsn::INVALID;
        let mut wants_reply = false;
        for frame in block.frames() {
            match frame? {
                Frame::XLogData { wal_end, .. } => furthest = furthest.max(wal_end),
                Frame::Keepalive {
                    wal_end,
                    reply_requested,
                    ..
                } => {
                    furthest = furthest.max(wal_end);
                    wants_reply |= reply_requested;
                }
            }
        }
        self.received.fetch_max(furthest.as_u64(), Ordering::Relaxed);
        if wants_reply {
            self.reply_requested.notify_one();
        }
        Ok(())
    }
}

/// Task that reads until the stream ends. When the receiver of its blocks is dropped, it drains the socket.
pub(super) struct StreamReader {
    pub(super) socket: ReadHalf<Transport>,
    pub(super) buffer: BytesMut,
    pub(super) reception: Arc<Reception>,
    pub(super) slot: String,
}

/// One step of reading the stream.
enum Step {
    /// Frames were received.
    Frames(FrameBlock),
    /// The server has ended the copy.
    CopyEnded,
    /// The server waits for the next command, so the stream has ended.
    Ready,
}

impl StreamReader {
    /// Feeds the queue until it is closed or the stream ends. A closed queue makes it drain the socket until the server has answered the end
    /// of the copy. Returns the socket if it is still usable.
    pub(super) async fn run(mut self, blocks: BlockSender) -> Option<ReadHalf<Transport>> {
        match self.feed(&blocks).await {
            Ok(Closed) => {
                drop(blocks);
                self.drain().await
            }
            Err(error) => {
                blocks.end(error).await;
                None
            }
        }
    }

    async fn feed(&mut self, blocks: &BlockSender) -> Result<Closed, PostgresError> {
        loop {
            // Cancelled only between reads: bytes that were read are in the buffer.
            let step = tokio::select! {
                step = self.step() => step?,
                () = blocks.closed() => return Ok(Closed),
            };
            match step {
                Step::Frames(block) => {
                    if let Err(closed) = blocks.send(block).await {
                        return Ok(closed);
                    }
                }
                Step::CopyEnded | Step::Ready => {
                    return Err(self.ended(Some("the server ended it, to shut down")));
                }
            }
        }
    }

    async fn drain(mut self) -> Option<ReadHalf<Transport>> {
        loop {
            match self.step().await {
                Ok(Step::Frames(_) | Step::CopyEnded) => {}
                Ok(Step::Ready) => return Some(self.socket),
                Err(error) => {
                    tracing::debug!(%error, "the stream did not end cleanly");
                    return None;
                }
            }
        }
    }

    /// Reads until there is a step to return. Cancel-safe: all state is in the buffer.
    async fn step(&mut self) -> Result<Step, PostgresError> {
        loop {
            match Arrived::take(&mut self.buffer).map_err(protocol)? {
                Arrived::NeedMore { total_bytes } => self.read(total_bytes).await?,
                Arrived::Frames(block) => {
                    self.reception.record(&block).map_err(protocol)?;
                    return Ok(Step::Frames(block));
                }
                Arrived::Message(message) => {
                    if let Some(step) = self.other(message)? {
                        return Ok(step);
                    }
                }
            }
        }
    }

    fn other(&self, message: BackendMessage) -> Result<Option<Step>, PostgresError> {
        match message {
            BackendMessage::Notice(notice) => {
                tracing::debug!(slot = self.slot, %notice, "notice of the server");
                Ok(None)
            }
            BackendMessage::ParameterStatus { .. } => Ok(None),
            // When the server ends the stream itself, it completes the command without ending the copy first.
            BackendMessage::CopyDone | BackendMessage::CommandComplete => Ok(Some(Step::CopyEnded)),
            BackendMessage::ReadyForQuery => Ok(Some(Step::Ready)),
            BackendMessage::Error(error) => Err(PostgresError::StreamFailed {
                slot: self.slot.clone(),
                after: self.reception.received(),
                error: Box::new(error),
            }),
            other => Err(other.unexpected_message("reading the stream")),
        }
    }

    async fn read(&mut self, total_bytes: usize) -> Result<(), PostgresError> {
        let missing = total_bytes.saturating_sub(self.buffer.len());
        let free = self.buffer.capacity() - self.buffer.len();
        if free < missing.max(READ_BYTES_MIN) {
            self.buffer.reserve(missing.max(READ_BYTES));
        }
        match self.socket.read_buf(&mut self.buffer).await {
            Ok(0) => Err(self.ended(None)),
            Ok(_) => Ok(()),
            Err(error) => Err(self.broken(&error)),
        }
    }

    fn broken(&self, error: &io::Error) -> PostgresError {
        self.ended(Some(&error.to_string()))
    }

    fn ended(&self, why: Option<&str>) -> PostgresError {
        PostgresError::StreamEnded {
            slot: self.slot.clone(),
            after: self.reception.received(),
            why: why.map(str::to_owned),
        }
    }
}

fn protocol(source: DecodeError) -> PostgresError {
    PostgresError::Protocol {
        doing: "reading the stream",
        source,
    }
}
