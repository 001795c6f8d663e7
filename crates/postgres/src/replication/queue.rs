//! The queue between the reader task and the consumer, bounded in bytes.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use walcast_pgoutput::FrameBlock;

use crate::error::PostgresError;

/// However small the blocks are, no more of them are queued.
const BLOCKS_MAX: usize = 4096;

/// Makes a queue that holds blocks of at most `bytes_max` together; one larger block passes alone.
pub(super) fn queue(bytes_max: usize) -> (BlockSender, BlockReceiver) {
    let bytes_max = bytes_max.clamp(1, Semaphore::MAX_PERMITS.min(u32::MAX as usize));
    let (blocks, received) = mpsc::channel(BLOCKS_MAX);
    let sender = BlockSender {
        blocks,
        room: Arc::new(Semaphore::new(bytes_max)),
        bytes_max,
    };
    (sender, BlockReceiver(received))
}

/// A block and the room it takes up, which is given back when it is taken out.
type Queued = Result<(FrameBlock, OwnedSemaphorePermit), PostgresError>;

pub(super) struct BlockSender {
    blocks: mpsc::Sender<Queued>,
    room: Arc<Semaphore>,
    bytes_max: usize,
}

/// Nobody takes blocks any more.
#[derive(Debug)]
pub(super) struct Closed;

impl BlockSender {
    /// Waits for room, then queues the block.
    pub(super) async fn send(&self, block: FrameBlock) -> Result<(), Closed> {
        let bytes = block.len_bytes().min(self.bytes_max);
        let permits = u32::try_from(bytes).map_err(|_| Closed)?;
        let room = Arc::clone(&self.room).acquire_many_owned(permits);
        let permit = tokio::select! {
            permit = room => permit.map_err(|_| Closed)?,
            () = self.blocks.closed() => return Err(Closed),
        };
        self.blocks.send(Ok((block, permit))).await.map_err(|_| Closed)
    }

    /// Ends when nobody takes blocks any more. Cancel-safe.
    pub(super) async fn closed(&self) {
        self.blocks.closed().await;
    }

    /// Queues what ended the stream; nothing comes after it.
    pub(super) async fn end(self, error: PostgresError) {
        if self.blocks.send(Err(error)).await.is_err() {
            tracing::debug!("the stream failed after nobody was interested any more");
        }
    }
}

pub(super) struct BlockReceiver(mpsc::Receiver<Queued>);

impl BlockReceiver {
    /// The next block; `None` after the end. Cancel-safe.
    pub(super) async fn next(&mut self) -> Option<Result<FrameBlock, PostgresError>> {
        let queued = self.0.recv().await?;
        Some(queued.map(|(block, _room)| block))
    }

    /// Nothing more is wanted: what is queued is dropped, and the sender learns of it.
    pub(super) fn close(self) {
        drop(self);
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    use walcast_pgoutput::FrameBlock;

    use super::queue;

    fn block(bytes: usize) -> FrameBlock {
        FrameBlock::new(vec![0; bytes].into())
    }

    fn poll<F: Future>(future: std::pin::Pin<&mut F>) -> Poll<F::Output> {
        future.poll(&mut Context::from_waker(Waker::noop()))
    }

    #[test]
    fn a_full_queue_lets_nothing_in_until_something_is_taken_out() {
        let (sender, mut receiver) = queue(10);
        assert!(poll(pin!(sender.send(block(6)))).is_ready());
        let mut second = pin!(sender.send(block(6)));
        assert!(poll(second.as_mut()).is_pending());
        assert!(poll(pin!(receiver.next())).is_ready());
        assert!(poll(second.as_mut()).is_ready());
    }

    #[test]
    fn a_block_larger_than_the_queue_passes_alone() {
        let (sender, mut receiver) = queue(10);
        assert!(poll(pin!(sender.send(block(100)))).is_ready());
        assert!(poll(pin!(sender.send(block(1)))).is_pending());
        assert!(poll(pin!(receiver.next())).is_ready());
    }

    #[test]
    fn a_waiting_sender_learns_that_nobody_takes_blocks_any_more() {
        let (sender, receiver) = queue(10);
        assert!(poll(pin!(sender.send(block(10)))).is_ready());
        let mut waiting = pin!(sender.send(block(10)));
        assert!(poll(waiting.as_mut()).is_pending());
        receiver.close();
        assert!(matches!(poll(waiting.as_mut()), Poll::Ready(Err(_))));
    }
}
