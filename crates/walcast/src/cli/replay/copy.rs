//! Topics and the producer of a replay, as the port of its copier: the records of the window are copied byte by byte.

use std::sync::Arc;

use walcast_delivery::{
    DeliveryError, LeftOffsets, MissingRecords, ReadRecord, ReplayCopier, ReplayLimits, ReplayPort,
    ReplayProgress, ReplayRange, ReplayTopic,
};
use walcast_kafka::{KafkaError, PartitionRange, RecordCopy, Replay, ReplaySink, StoredReplay};
use walcast_topics::{
    Bound, Decoder, LsnWindow, RecordReader, Topic, TopicsError, WindowRecords, first_left,
};

use super::gap::{Gap, GapReason, interruption, truncation};
use super::progress_bar::ReplayBar;
use crate::config::Config;
use crate::exit::Rejection;

/// Topics that a replay reads, and its producer.
pub(super) struct TopicCopies<'a> {
    config: &'a Config,
    decoder: &'a mut Decoder,
    sink: ReplaySink,
    replay: Replay,
    window: LsnWindow,
    accept_gap: bool,
    bar: ReplayBar,
    /// Topic that was opened last.
    topic: Option<Topic>,
    reading: Option<Reading>,
}

/// A range that is read.
struct Reading {
    reader: RecordReader,
    records: WindowRecords,
    topic: Arc<str>,
    /// Topic of the copies.
    target: Arc<str>,
}

/// Copier of what is left of a replay.
pub(super) fn copier<'a>(
    config: &'a Config,
    decoder: &'a mut Decoder,
    sink: ReplaySink,
    stored: &StoredReplay,
    window: LsnWindow,
    accept_gap: bool,
) -> anyhow::Result<ReplayCopier<TopicCopies<'a>>> {
    let StoredReplay { replay, progress } = stored;
    let port = TopicCopies {
        config,
        decoder,
        sink,
        window,
        accept_gap,
        bar: ReplayBar::new(replay, progress)?,
        topic: None,
        reading: None,
        replay: replay.clone(),
    };
    Ok(ReplayCopier::new(
        port,
        replay.topics.clone(),
        progress.clone(),
        ReplayLimits::default(),
    ))
}

impl TopicCopies<'_> {
    /// Topic with the offsets at its opening, which is when the copier comes to it.
    async fn opened(&mut self, name: &str) -> anyhow::Result<Topic> {
        match self.topic.take_if(|topic| &**topic.name() == name) {
            Some(topic) => Ok(topic),
            None => Ok(Topic::open(&self.config.kafka, name).await?),
        }
    }
}

impl ReplayPort for TopicCopies<'_> {
    type Copy = RecordCopy;
    type Error = anyhow::Error;

    async fn offsets(&mut self, topic: &ReplayTopic, range: ReplayRange) -> anyhow::Result<LeftOffsets> {
        let open = self.opened(&topic.topic).await?;
        let now = open.partition(range.partition);
        self.topic = Some(open);
        // Of a partition that does not exist any more, nothing is left.
        let of_none = LeftOffsets {
            first: range.to,
            end: range.to,
        };
        Ok(now.map_or(of_none, |now| LeftOffsets {
            first: now.first,
            end: now.end,
        }))
    }

    async fn accept(
        &mut self,
        topic: &ReplayTopic,
        range: ReplayRange,
        missing: MissingRecords,
    ) -> anyhow::Result<()> {
        if self.accept_gap {
            return Ok(());
        }
        let name = self.replay.name.clone();
        let text = match missing {
            MissingRecords::Truncated { end } => truncation(&name, &topic.topic, range, end),
            MissingRecords::Expired => {
                let open = self.opened(&topic.topic).await?;
                let nearest = match open.partition(range.partition) {
                    Some(now) => first_left(&open, self.decoder, now).await?,
                    None => None,
                };
                let gap = Gap {
                    topic: Some(topic.topic.clone()),
                    reason: GapReason::Expired,
                    nearest: nearest.map(|lsn| lsn.to_string()),
                };
                interruption(&name, &gap)
            }
        };
        Err(Rejection::Request(text).into())
    }

    async fn read(&mut self, topic: &ReplayTopic, range: ReplayRange) -> anyhow::Result<()> {
        let open = self.opened(&topic.topic).await?;
        let offsets = PartitionRange {
            partition: range.partition,
            first: range.from,
            end: range.to,
        };
        self.reading = Some(Reading {
            reader: open
                .read_partition(self.decoder, offsets, Bound::Beginning)
                .await?,
            records: WindowRecords::new(self.window),
            topic: Arc::clone(open.name()),
            target: Arc::from(topic.target.as_str()),
        });
        self.topic = Some(open);
        Ok(())
    }

    async fn next(&mut self) -> anyhow::Result<Option<ReadRecord<RecordCopy>>> {
        let Some(reading) = &mut self.reading else {
            return Ok(None);
        };
        let Some(record) = reading.reader.next_undecoded().await? else {
            return Ok(None);
        };
        let records = &mut reading.records;
        let is_contained = records.contain(self.decoder, &reading.topic, &record).await?;
        let offset = record.offset;
        let copy = is_contained.then(|| {
            let copy = RecordCopy::new(record, Arc::clone(&reading.target), &self.replay.name);
            let bytes = copy.bytes();
            (copy, bytes)
        });
        Ok(Some(ReadRecord { offset, copy }))
    }

    async fn commit(&mut self, copies: Vec<RecordCopy>, progress: &ReplayProgress) -> anyhow::Result<()> {
        self.sink.commit(copies, progress).await?;
        self.bar.show(&self.replay, progress);
        Ok(())
    }
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
