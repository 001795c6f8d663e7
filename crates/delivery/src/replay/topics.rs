//! Replay from the topics: partition after partition, each batch in one Kafka transaction with the progress.
//!
//! ```text
//! ReplayPort::next ──record──▶ ReplayCopier ──copies + progress──▶ ReplayPort::commit (one Kafka transaction)
//! ```

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;

use tokio::time::{Duration, Instant};

use crate::clock;
use crate::ports::replay::ReplayPort;
use crate::replay::progress::{ReplayProgress, ReplayRange, ReplayState, ReplayTopic};

const NANOS_A_MICRO: i64 = 1_000;

/// Limits at which a batch is sent, and its progress stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReplayLimits {
    /// Size of the copies.
    pub bytes: usize,
    /// Number of copies.
    pub records: usize,
    /// Time since the last commit, also if no record of the window was found.
    pub interval: Duration,
}

impl Default for ReplayLimits {
    /// A transaction is open only while its batch is sent, since consumers of its topics wait for its end.
    fn default() -> Self {
        Self {
            bytes: 2 * 1024 * 1024,
            records: 5_000,
            interval: Duration::from_secs(2),
        }
    }
}

/// How a copy ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReplayEnded {
    /// Every record of the window was sent.
    Complete,
    /// The process received a request to stop.
    Interrupted,
}

/// Copies the records of a replay that are left.
#[derive(Debug)]
pub struct ReplayCopier<P: ReplayPort> {
    port: P,
    topics: Arc<[ReplayTopic]>,
    limits: ReplayLimits,
    /// Progress that is committed.
    committed: ReplayProgress,
    /// Progress that the next commit stores.
    next: ReplayProgress,
    batch: Vec<P::Copy>,
    batch_bytes: usize,
    committed_at: Instant,
}

impl<P: ReplayPort> ReplayCopier<P> {
    /// Creates a copier that continues from the progress that was read behind the fence.
    pub fn new(port: P, topics: Vec<ReplayTopic>, progress: ReplayProgress, limits: ReplayLimits) -> Self {
        Self {
            port,
            topics: topics.into(),
            limits,
            next: progress.clone(),
            committed: progress,
            batch: Vec::new(),
            batch_bytes: 0,
            committed_at: Instant::now(),
        }
    }

    /// Progress that is committed.
    pub fn into_committed(self) -> ReplayProgress {
        self.committed
    }

    /// Copies until the end of the window, or until `stop` ends. What was not committed then is sent by the next start.
    ///
    /// # Errors
    /// A call of the port fails: a commit may have taken effect, and only the stored progress says so.
    pub async fn run(&mut self, stop: impl Future<Output = ()>) -> Result<ReplayEnded, P::Error> {
        let mut stop = pin!(stop);
        let topics = Arc::clone(&self.topics);
        while let Some(topic) = topics.get(self.next.topic) {
            while let Some(range) = topic.partitions.get(self.next.partition) {
                let copied = Box::pin(self.partition(topic, *range, stop.as_mut())).await?;
                if copied == ReplayEnded::Interrupted {
                    return Ok(ReplayEnded::Interrupted);
                }
                self.next.partition += 1;
                self.next.last = None;
            }
            self.next.topic += 1;
            self.next.partition = 0;
        }
        self.next.state = ReplayState::Complete;
        self.commit().await?;
        Ok(ReplayEnded::Complete)
    }

    async fn partition(
        &mut self,
        topic: &ReplayTopic,
        range: ReplayRange,
        mut stop: Pin<&mut impl Future<Output = ()>>,
    ) -> Result<ReplayEnded, P::Error> {
        let offsets = self.port.offsets(topic, range).await?;
        // The record that was read last is read again: the next one may be its tombstone.
        let last = self.next.last;
        for missing in range.missing(last, offsets) {
            self.port.accept(topic, range, missing).await?;
        }
        let Some(left) = range.left(last, offsets) else {
            return Ok(ReplayEnded::Complete);
        };
        self.port.read(topic, left).await?;
        loop {
            let read = tokio::select! {
                biased;
                () = stop.as_mut() => return Ok(ReplayEnded::Interrupted),
                read = self.port.next() => read?,
            };
            let Some(record) = read else {
                return Ok(ReplayEnded::Complete);
            };
            if last.is_some_and(|last| record.offset <= last) {
                continue;
            }
            self.next.last = Some(record.offset);
            if let Some((copy, bytes)) = record.copy {
                self.add(copy, bytes);
            }
            let is_full = self.batch_bytes >= self.limits.bytes || self.batch.len() >= self.limits.records;
            if is_full || self.committed_at.elapsed() >= self.limits.interval {
                self.commit().await?;
            }
        }
    }

    fn add(&mut self, copy: P::Copy, bytes: usize) {
        self.batch_bytes += bytes;
        self.next.bytes += u64::try_from(bytes).unwrap_or(u64::MAX);
        if let Some(records) = self.next.records.get_mut(self.next.topic) {
            *records += 1;
        }
        self.batch.push(copy);
    }

    async fn commit(&mut self) -> Result<(), P::Error> {
        self.next.updated_at_unix_micros = clock::unix_nanos() / NANOS_A_MICRO;
        self.batch_bytes = 0;
        let batch = std::mem::take(&mut self.batch);
        self.port.commit(batch, &self.next).await?;
        self.committed = self.next.clone();
        self.committed_at = Instant::now();
        Ok(())
    }
}
