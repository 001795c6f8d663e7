//! Queue between the reader task and the consumer, bounded in bytes.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use walcast_pgoutput::FrameBlock;

use crate::error::PostgresError;

/// Limit of queued blocks, however small they are.
const BLOCKS_MAX: usize = 4096;

/// Creates a queue with a limit of `bytes_max` for all blocks together; a larger block passes alone.
pub(super) fn queue(bytes_max: usize) -> (BlockSender, BlockReceiver) {
    let bytes_max = bytes_max.clamp(1, Semaphore::MAX_PERMITS.min(u32::MAX as usize));
    let (blocks, received) = mpsc::channel(BLOCKS_MAX);
    let sender = BlockSender {
        blocks,
        free: Arc::new(Semaphore::new(bytes_max)),
        bytes_max,
    };
    (sender, BlockReceiver(received))
}

/// Block, and the permits for its bytes, which are released when the block is taken.
type Queued = Result<(FrameBlock, OwnedSemaphorePermit), PostgresError>;

pub(super) struct BlockSender {
    blocks: mpsc::Sender<Queued>,
    free: Arc<Semaphore>,
    bytes_max: usize,
}

/// The receiver is closed.
#[derive(Debug)]
pub(super) struct Closed;

impl BlockSender {
    /// Waits for free bytes, then queues the block.
    pub(super) async fn send(&self, block: FrameBlock) -> Result<(), Closed> {
        let bytes = block.len_bytes().min(self.bytes_max);
        let permits = u32::try_from(bytes).map_err(|_| Closed)?;
        let acquiring = Arc::clone(&self.free).acquire_many_owned(permits);
        let permit = tokio::select! {
            permit = acquiring => permit.map_err(|_| Closed)?,
            () = self.blocks.closed() => return Err(Closed),
        };
        self.blocks.send(Ok((block, permit))).await.map_err(|_| Closed)
    }

    /// Waits until the receiver is closed. Cancel-safe.
    pub(super) async fn closed(&self) {
        self.blocks.closed().await;
    }

    /// Queues the error that ended the stream, as the last item.
    pub(super) async fn end(self, error: PostgresError) {
        if self.blocks.send(Err(error)).await.is_err() {
            tracing::debug!("the stream failed after its receiver was closed");
        }
    }
}

pub(super) struct BlockReceiver(mpsc::Receiver<Queued>);

impl BlockReceiver {
    /// Next block; `None` after the end. Cancel-safe.
    pub(super) async fn next(&mut self) -> Option<Result<FrameBlock, PostgresError>> {
        let queued = self.0.recv().await?;
        Some(queued.map(|(block, _permit)| block))
    }

    /// Closes the queue: queued blocks are dropped, and the sender is notified.
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
    fn full_queue_blocks_until_a_block_is_taken() {
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
    fn closing_the_queue_ends_a_waiting_sender() {
        let (sender, receiver) = queue(10);
        assert!(poll(pin!(sender.send(block(10)))).is_ready());
        let mut waiting = pin!(sender.send(block(10)));
        assert!(poll(waiting.as_mut()).is_pending());
        receiver.close();
        assert!(matches!(poll(waiting.as_mut()), Poll::Ready(Err(_))));
    }
}
