//! Copying of the records of a window, partition after partition, each batch in one Kafka transaction with the progress.

use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use walcast_delivery::DeliveryError;
use walcast_kafka::{
    KafkaError, PartitionRange, RecordCopy, ReplayProgress, ReplayRange, ReplaySink, ReplayState,
    ReplayTopic, StoredReplay,
};
use walcast_topics::{
    Bound, Decoder, LsnWindow, RecordReader, Topic, TopicsError, WindowRecords, first_left,
};

use super::gap::{Gap, GapReason, interruption, truncation};
use super::progress_bar::ReplayBar;
use crate::config::Config;
use crate::exit::Rejection;

/// Size at which a batch is sent. A transaction is open only while its batch is sent, since consumers of its topics wait for its end.
const BATCH_BYTES: usize = 2 * 1024 * 1024;

/// Number of records at which a batch is sent.
const BATCH_RECORDS: usize = 5_000;

/// Time after which the progress is stored, also if no record of the window was found.
const PROGRESS_INTERVAL: Duration = Duration::from_secs(2);

/// Copies the records of a replay that are left.
pub(super) struct Copier<'a> {
    config: &'a Config,
    decoder: &'a mut Decoder,
    sink: ReplaySink,
    window: LsnWindow,
    accept_gap: bool,
    /// Replay with the progress that is committed.
    stored: StoredReplay,
    bar: ReplayBar,
    batch: Vec<RecordCopy>,
    batch_bytes: usize,
    /// Progress that the next commit stores.
    next: ReplayProgress,
    committed_at: Instant,
}

/// Whether a copy was interrupted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    Complete,
    Interrupted,
}

impl<'a> Copier<'a> {
    pub(super) fn new(
        config: &'a Config,
        decoder: &'a mut Decoder,
        sink: ReplaySink,
        stored: StoredReplay,
        window: LsnWindow,
        accept_gap: bool,
    ) -> anyhow::Result<Self> {
        Ok(Self {
            config,
            decoder,
            sink,
            window,
            accept_gap,
            bar: ReplayBar::new(&stored.replay, &stored.progress)?,
            batch: Vec::new(),
            batch_bytes: 0,
            next: stored.progress.clone(),
            committed_at: Instant::now(),
            stored,
        })
    }

    /// Replay with the progress that is committed.
    pub(super) fn into_stored(self) -> StoredReplay {
        self.stored
    }

    /// Copies until the end of the window, or until `stop` ends. What was not committed then is sent by the next start.
    pub(super) async fn run(&mut self, stop: impl Future<Output = ()>) -> anyhow::Result<Ended> {
        let mut stop = pin!(stop);
        let topics = self.stored.replay.topics.clone();
        while let Some(topic) = topics.get(self.next.topic) {
            if !topic.partitions.is_empty() {
                let open = Topic::open(&self.config.kafka, &topic.topic).await?;
                while let Some(range) = topic.partitions.get(self.next.partition) {
                    let copied = Box::pin(self.partition(topic, &open, *range, stop.as_mut())).await?;
                    if copied == Ended::Interrupted {
                        return Ok(Ended::Interrupted);
                    }
                    self.next.partition += 1;
                    self.next.last = None;
                }
            }
            self.next.topic += 1;
            self.next.partition = 0;
        }
        self.next.state = ReplayState::Complete;
        self.commit().await?;
        Ok(Ended::Complete)
    }

    async fn partition(
        &mut self,
        topic: &ReplayTopic,
        open: &Topic,
        range: ReplayRange,
        mut stop: Pin<&mut impl Future<Output = ()>>,
    ) -> anyhow::Result<Ended> {
        let target: Arc<str> = Arc::from(topic.target.as_str());
        let mut records = WindowRecords::new(self.window);
        let Some(mut reader) = self.reader(open, range).await? else {
            return Ok(Ended::Complete);
        };
        // The record that was read last is read again: the next one may be its tombstone.
        let last = self.next.last;
        loop {
            let read = tokio::select! {
                biased;
                () = stop.as_mut() => return Ok(Ended::Interrupted),
                read = reader.next_undecoded() => read?,
            };
            let Some(record) = read else {
                return Ok(Ended::Complete);
            };
            let is_contained = records.contain(self.decoder, open.name(), &record).await?;
            if last.is_some_and(|last| record.offset <= last) {
                continue;
            }
            self.next.last = Some(record.offset);
            if is_contained {
                self.add(RecordCopy::new(
                    record,
                    Arc::clone(&target),
                    &self.stored.replay.name,
                ));
            }
            let is_full = self.batch_bytes >= BATCH_BYTES || self.batch.len() >= BATCH_RECORDS;
            if is_full || self.committed_at.elapsed() >= PROGRESS_INTERVAL {
                self.commit().await?;
            }
        }
    }

    /// Reader of what is left of a range; `None` if nothing is.
    async fn reader(&mut self, topic: &Topic, range: ReplayRange) -> anyhow::Result<Option<RecordReader>> {
        let now = topic.partition(range.partition);
        let (first, end) = now.map_or((range.to, range.to), |now| (now.first, now.end));
        let name = &self.stored.replay.name;
        if lacks_records(range, self.next.last, first) && !self.accept_gap {
            let nearest = match now {
                Some(now) => first_left(topic, self.decoder, now).await?,
                None => None,
            };
            let gap = Gap {
                topic: Some(topic.name().to_string()),
                reason: GapReason::Expired,
                nearest: nearest.map(|lsn| lsn.to_string()),
            };
            return Err(Rejection::Request(interruption(name, &gap)).into());
        }
        // The end was behind the range when the replay was planned, and no end moves back by itself.
        if end < range.to && !self.accept_gap {
            return Err(Rejection::Request(truncation(name, topic.name(), range, end)).into());
        }
        let Some(begin) = beginning(range, self.next.last, first, end) else {
            return Ok(None);
        };
        let offsets = PartitionRange {
            partition: range.partition,
            first: begin,
            end: range.to,
        };
        let reader = topic
            .read_partition(self.decoder, offsets, Bound::Beginning)
            .await?;
        Ok(Some(reader))
    }

    fn add(&mut self, copy: RecordCopy) {
        let bytes = copy.bytes();
        self.batch_bytes += bytes;
        self.next.bytes += bytes as u64;
        if let Some(records) = self.next.records.get_mut(self.next.topic) {
            *records += 1;
        }
        self.batch.push(copy);
    }

    async fn commit(&mut self) -> Result<(), KafkaError> {
        self.next.updated_at_unix_micros = Timestamp::now().as_microsecond();
        self.batch_bytes = 0;
        let batch = std::mem::take(&mut self.batch);
        self.sink.commit(batch, &self.next).await?;
        self.stored.progress = self.next.clone();
        self.committed_at = Instant::now();
        self.bar.show(&self.stored.replay, &self.stored.progress);
        Ok(())
    }
}

/// Whether retention has removed records of a range that were not read: `last` is the offset that was read last, and `first` that of the
/// first record that is left.
fn lacks_records(range: ReplayRange, last: Option<i64>, first: i64) -> bool {
    let next = last.map_or(range.from, |last| last + 1);
    next < first.min(range.to)
}

/// Offset at which reading begins; `None` if nothing of the range is left: a broker rejects an offset before the first record or behind
/// the end.
fn beginning(range: ReplayRange, last: Option<i64>, first: i64, end: i64) -> Option<i64> {
    // The record that was read last is read again.
    let begin = last.unwrap_or(range.from).max(first);
    (begin < range.to.min(end)).then_some(begin)
}

/// Whether an error says that another process has taken the replay over.
pub(super) fn is_fenced(error: &anyhow::Error) -> bool {
    if let Some(DeliveryError::Sink(fault)) = error.downcast_ref() {
        return fault.is_fenced();
    }
    let kafka = error.downcast_ref::<KafkaError>();
    let topics = error.downcast_ref::<TopicsError>();
    let found = kafka.or(match topics {
        Some(TopicsError::Kafka(error)) => Some(error),
        _ => None,
    });
    matches!(found, Some(KafkaError::Fenced { .. }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_read_as_far_as_it_is_left() {
        let range = ReplayRange {
            partition: 0,
            from: 5,
            to: 10,
        };
        for (last, first, lacks, begin) in [
            (None, 0, false, Some(5)),
            (None, 5, false, Some(5)),
            (None, 6, true, Some(6)),
            (Some(7), 0, false, Some(7)),
            (Some(7), 8, false, Some(8)),
            (Some(7), 9, true, Some(9)),
            // Nothing is left.
            (None, 10, true, None),
            (Some(7), 12, true, None),
            // All of it was read.
            (Some(9), 0, false, Some(9)),
            (Some(9), 12, false, None),
        ] {
            assert_eq!(lacks_records(range, last, first), lacks, "{last:?} {first}");
            assert_eq!(beginning(range, last, first, 20), begin, "{last:?} {first}");
        }
        // The topic was created again.
        assert_eq!(beginning(range, Some(7), 0, 7), None);
        assert_eq!(beginning(range, Some(7), 0, 8), Some(7));
    }
}
