//! Queue of batches between ingest and committer.
//!
//! A batch leaves ingest for one of two reasons: it is full, or the committer asks. While the committer writes or commits, or
//! leaves the interval between two commits, it does not ask, and what arrives in the meantime becomes one batch. So the size of
//! a batch follows from the load: one transaction when the connector is idle, all transactions of a commit interval in a steady
//! flow, [`BATCH_BYTES`](crate::batch::contents::BATCH_BYTES) in a backlog.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::{Notify, mpsc};
use walcast_mapper::RecordBuffer;

use crate::batch::contents::{BATCHES_QUEUED_MAX, Batch};

/// The committer has ended; its error is the cause.
#[derive(Debug)]
pub(crate) struct CommitterGone;

/// Creates a queue.
pub(crate) fn batch_queue() -> (BatchSender, BatchReceiver) {
    let (batches, received) = mpsc::channel(BATCHES_QUEUED_MAX);
    // One buffer is filled, and one is written.
    let (emptied, reused) = mpsc::channel(BATCHES_QUEUED_MAX + 2);
    let demand = Arc::new(Demand::default());
    let sender = BatchSender {
        batches,
        reused,
        demand: Arc::clone(&demand),
    };
    let receiver = BatchReceiver {
        batches: received,
        emptied,
        demand,
    };
    (sender, receiver)
}

/// Whether the committer asks for a batch.
#[derive(Debug, Default)]
struct Demand {
    is_raised: AtomicBool,
    raised: Notify,
}

/// Ends the demand, also when the wait for a batch is cancelled.
struct Raised<'a>(&'a Demand);

impl Drop for Raised<'_> {
    fn drop(&mut self) {
        self.0.is_raised.store(false, Ordering::Relaxed);
    }
}

/// End of the queue in ingest.
pub(crate) struct BatchSender {
    batches: mpsc::Sender<Batch>,
    reused: mpsc::Receiver<RecordBuffer>,
    demand: Arc<Demand>,
}

impl BatchSender {
    /// Sends a batch as soon as the queue has space. The committer asks for one batch at a time, so this one answers a demand.
    pub(crate) async fn send(&self, batch: Batch) -> Result<(), CommitterGone> {
        self.demand.is_raised.store(false, Ordering::Relaxed);
        self.batches.send(batch).await.map_err(|_| CommitterGone)
    }

    /// Whether the committer waits for a batch, however small.
    pub(crate) fn is_wanted(&self) -> bool {
        self.demand.is_raised.load(Ordering::Relaxed)
    }

    /// Completes when the committer waits for a batch. Cancel-safe.
    pub(crate) async fn wanted(&self) {
        // The permit of an earlier demand may be left.
        while !self.is_wanted() {
            self.demand.raised.notified().await;
        }
    }

    /// Completes when the committer has ended. Cancel-safe.
    pub(crate) async fn closed(&self) {
        self.batches.closed().await;
    }

    /// An empty buffer, one that was used before if there is any.
    pub(crate) fn buffer(&mut self) -> RecordBuffer {
        self.reused.try_recv().unwrap_or_default()
    }
}

/// End of the queue in the committer.
pub(crate) struct BatchReceiver {
    batches: mpsc::Receiver<Batch>,
    emptied: mpsc::Sender<RecordBuffer>,
    demand: Arc<Demand>,
}

impl BatchReceiver {
    /// Next batch: a full one, or with `asks` any. `None` when ingest has ended. Cancel-safe.
    pub(crate) async fn recv(&mut self, asks: bool) -> Option<Batch> {
        if let Ok(batch) = self.batches.try_recv() {
            return Some(batch);
        }
        let _raised = asks.then(|| {
            self.demand.is_raised.store(true, Ordering::Relaxed);
            self.demand.raised.notify_one();
            Raised(&self.demand)
        });
        self.batches.recv().await
    }

    /// Whether a batch was sent already.
    pub(crate) fn has_queued(&self) -> bool {
        !self.batches.is_empty()
    }

    /// Returns a buffer for further batches. It is dropped if ingest has ended.
    pub(crate) fn reuse(&self, records: RecordBuffer) {
        drop(self.emptied.try_send(records));
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::{Duration, timeout};
    use walcast_mapper::RecordBuffer;

    use super::batch_queue;
    use crate::batch::contents::Batch;

    #[tokio::test(start_paused = true)]
    async fn small_batches_are_wanted_only_while_the_committer_asks() {
        let (sender, mut receiver) = batch_queue();
        let moment = Duration::from_millis(1);
        assert!(timeout(moment, receiver.recv(false)).await.is_err());
        assert!(!sender.is_wanted());
        let (received, ()) = tokio::join!(timeout(moment, receiver.recv(true)), sender.wanted());
        assert!(received.is_err(), "nothing was sent");
        assert!(!sender.is_wanted(), "the wait was cancelled");
        assert!(timeout(moment, sender.wanted()).await.is_err());
    }

    #[tokio::test]
    async fn one_batch_answers_a_demand() {
        let (sender, mut receiver) = batch_queue();
        let asking = receiver.recv(true);
        let answering = async {
            sender.wanted().await;
            sender.send(Batch::new(RecordBuffer::new())).await.unwrap();
            assert!(!sender.is_wanted());
        };
        let (received, ()) = tokio::join!(asking, answering);
        assert!(received.is_some());
    }

    #[tokio::test]
    async fn queued_batches_are_received_without_asking() {
        let (sender, mut receiver) = batch_queue();
        sender.send(Batch::new(RecordBuffer::new())).await.unwrap();
        assert!(receiver.recv(false).await.is_some());
        drop(sender);
        assert!(receiver.recv(true).await.is_none());
    }
}
