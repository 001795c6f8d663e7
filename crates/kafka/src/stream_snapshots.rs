//! Snapshots of streams: the events of a topic are folded stream by stream, and the last state of each stream is written to a compacted
//! topic.
//!
//! The source is the topic and not the stream of changes, so that snapshots cost the delivery of events nothing, can be added to a topic
//! that exists, and contain what a reader of the topic gets. Snapshots and the offsets up to which events are folded are in one Kafka
//! transaction; the topic of snapshots is all the state. A process that starts reads both, and folds on.

pub(crate) mod config;
pub(crate) mod error;
mod store;
mod streams;
mod value;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tracing::{debug, info, warn};
use walcast_delivery::{StreamSnapshotView, StreamSnapshotsState};

use self::config::StreamSnapshotConfig;
use self::error::StreamSnapshotError;
use self::store::SnapshotStore;
use self::streams::Streams;
use self::value::Values;
use crate::config::{KafkaConfig, RegistryConfig};
use crate::registry::Registry;
use crate::topic_consumer::ReadFrom;
use crate::topic_index::{PartitionRange, TopicIndex};
use crate::topic_reader::{TopicReader, TopicSelection};

/// Longest interval at which the end of the topic is looked up, for the cadence by events.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Events of a run from which on it measures the rate better than an earlier one.
const EVENTS_MEASURED: u64 = 1000;

/// Writer of the snapshots of one topic.
#[derive(Clone)]
pub struct StreamSnapshots {
    kafka: KafkaConfig,
    registry: Option<RegistryConfig>,
    config: StreamSnapshotConfig,
    state: StreamSnapshotsState,
}

impl StreamSnapshots {
    /// Creates the writer, without connecting. `state` shows what it does.
    #[must_use]
    pub fn new(
        kafka: KafkaConfig,
        registry: Option<RegistryConfig>,
        config: StreamSnapshotConfig,
        state: StreamSnapshotsState,
    ) -> Self {
        Self {
            kafka,
            registry,
            config,
            state,
        }
    }

    /// Name of the topic of events.
    #[must_use]
    pub fn topic(&self) -> &str {
        &self.config.topic
    }

    /// Counts a failure of [`StreamSnapshots::follow`].
    pub fn count_error(&self) {
        self.state.count_error(&self.config.topic);
    }

    /// Writes snapshots while this instance leads. Another process that writes those of the same topic is fenced. Dropping the future
    /// loses nothing: what is not committed is folded again.
    ///
    /// # Errors
    /// Kafka or the registry fails, another process has taken over, or an event cannot be folded. No later event is folded then.
    pub async fn follow(&self, leads: impl Fn() -> bool) -> Result<(), StreamSnapshotError> {
        let config = &self.config;
        let (store, next) = SnapshotStore::open(&self.kafka, config).await?;
        let registry = self.registry.as_ref().map(Registry::new).transpose()?;
        let mut streams = Streams::new(config, Values::new(config.encoding, registry));
        let selection = TopicSelection {
            topic: config.snapshots.clone(),
            partition: None,
            from: ReadFrom::Beginning,
            doing: "reading snapshots of streams",
        };
        let mut snapshots = TopicReader::start(self.kafka.clone(), selection);
        let mut loaded = 0_u64;
        while let Some(record) = snapshots.next().await? {
            streams.load(record)?;
            loaded += 1;
        }
        let next = match next {
            Some(next) => next,
            None if loaded == 0 => BTreeMap::new(),
            None => {
                return Err(StreamSnapshotError::Topic {
                    snapshots: config.snapshots.clone(),
                    problem: "has records, and it is not known which events they include".to_owned(),
                });
            }
        };
        info!(
            topic = config.topic,
            streams = streams.count(),
            "snapshots of streams are written"
        );
        let index = TopicIndex::new(
            self.kafka.clone(),
            config.topic.clone(),
            "looking up the ends of events",
        );
        let mut folding = Folding {
            kafka: &self.kafka,
            config,
            target: Arc::from(config.snapshots.as_str()),
            store,
            streams,
            next,
            rate: None,
        };
        let mut last_run: Option<Instant> = None;
        let mut is_over_budget = false;
        while leads() {
            let ranges = index.partitions().await?;
            check(config, &folding.next, &ranges)?;
            let pending = folding.pending(&ranges);
            let is_due = last_run.is_none_or(|last| last.elapsed() >= config.every);
            if pending > 0 && (is_due || pending >= config.every_events) {
                folding.run(&ranges).await?;
                last_run = Some(Instant::now());
            }
            let view = folding.view(&ranges);
            is_over_budget = self.compare_with_budget(&view, is_over_budget);
            self.state.publish(&config.topic, view);
            tokio::time::sleep(LOOK_EVERY.min(config.every)).await;
        }
        Ok(())
    }

    /// Logs a warning when reading the whole topic begins to take longer than the budget.
    fn compare_with_budget(&self, view: &StreamSnapshotView, was_over: bool) -> bool {
        let (Some(budget), Some(replay)) = (self.config.replay_budget, view.replay) else {
            return was_over;
        };
        let is_over = replay > budget;
        if is_over && !was_over {
            warn!(
                topic = self.config.topic,
                events = view.events,
                seconds = replay.as_secs(),
                budget_seconds = budget.as_secs(),
                "reading all events of the topic takes longer than replay_budget: build projections from the snapshots of its streams"
            );
        }
        is_over
    }
}

impl fmt::Debug for StreamSnapshots {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StreamSnapshots")
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}

/// Folding of the events of a topic.
struct Folding<'a> {
    kafka: &'a KafkaConfig,
    config: &'a StreamSnapshotConfig,
    target: Arc<str>,
    store: SnapshotStore,
    streams: Streams<'a>,
    /// Offset of the first event of each partition that is not folded.
    next: BTreeMap<i32, i64>,
    /// Events per second of the last run that was long enough to be measured.
    rate: Option<f64>,
}

impl Folding<'_> {
    /// Number of events that are not folded, at most: markers of transactions are counted too.
    fn pending(&self, ranges: &[PartitionRange]) -> u64 {
        let pending = ranges.iter().map(|range| {
            let next = self.next.get(&range.partition).copied().unwrap_or(range.first);
            u64::try_from(range.end - next).unwrap_or(0)
        });
        pending.sum()
    }

    /// Folds the events up to these ends, and writes the snapshots of the streams that have changed.
    async fn run(&mut self, ranges: &[PartitionRange]) -> Result<(), StreamSnapshotError> {
        let begun = Instant::now();
        let (mut events, mut uncommitted) = (0_u64, 0_u64);
        for range in ranges {
            let from = match self.next.get(&range.partition) {
                Some(next) if *next >= range.end => continue,
                Some(next) => ReadFrom::Offset(*next),
                None => ReadFrom::Beginning,
            };
            let selection = TopicSelection {
                topic: self.config.topic.clone(),
                partition: Some(range.partition),
                from,
                doing: "reading events for snapshots of streams",
            };
            let mut reader = TopicReader::of_committed(self.kafka.clone(), selection);
            while let Some(record) = reader.next().await? {
                let next = record.offset + 1;
                self.streams.fold(record).await?;
                self.next.insert(range.partition, next);
                (events, uncommitted) = (events + 1, uncommitted + 1);
                if uncommitted >= self.config.every_events {
                    self.commit().await?;
                    uncommitted = 0;
                }
            }
            // The last offsets of a topic that is written in transactions are no records.
            let next = self.next.entry(range.partition).or_insert(range.end);
            *next = (*next).max(range.end);
        }
        self.commit().await?;
        self.measure(events, begun.elapsed());
        Ok(())
    }

    async fn commit(&mut self) -> Result<(), StreamSnapshotError> {
        let snapshots = self.streams.take_changed(&self.next, &self.target);
        debug!(
            topic = self.config.topic,
            snapshots = snapshots.len(),
            "writing snapshots of streams"
        );
        self.store.commit(snapshots, &self.next).await?;
        Ok(())
    }

    #[expect(
        clippy::cast_precision_loss,
        reason = "a rate needs no more than the first digits of a count"
    )]
    fn measure(&mut self, events: u64, elapsed: Duration) {
        let is_measurable = events >= EVENTS_MEASURED || (events > 0 && self.rate.is_none());
        if is_measurable && !elapsed.is_zero() {
            self.rate = Some(events as f64 / elapsed.as_secs_f64());
        }
    }

    #[expect(
        clippy::cast_precision_loss,
        reason = "a forecast needs no more than the first digits of a count"
    )]
    fn view(&self, ranges: &[PartitionRange]) -> StreamSnapshotView {
        let counts = ranges
            .iter()
            .map(|range| u64::try_from(range.end - range.first).unwrap_or(0));
        let events: u64 = counts.sum();
        let seconds = self.rate.map(|rate| events as f64 / rate);
        StreamSnapshotView {
            streams: self.streams.count(),
            events,
            pending: self.pending(ranges),
            replay: seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()),
            ..StreamSnapshotView::default()
        }
    }
}

/// Checks that a topic has the events behind those that are folded.
fn check(
    config: &StreamSnapshotConfig,
    next: &BTreeMap<i32, i64>,
    ranges: &[PartitionRange],
) -> Result<(), StreamSnapshotError> {
    for range in ranges {
        let next = next.get(&range.partition).copied().unwrap_or(range.first);
        if next < range.first {
            return Err(StreamSnapshotError::EventsRemoved {
                topic: config.topic.clone(),
                partition: range.partition,
                next,
                first: range.first,
                snapshots: config.snapshots.clone(),
            });
        }
        if next > range.end {
            // The topic was deleted and created again.
            return Err(StreamSnapshotError::Topic {
                snapshots: config.snapshots.clone(),
                problem: format!("includes events that {} does not have", config.topic),
            });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use walcast_mapper::config::Encoding;

    use super::config::StreamFold;
    use super::*;

    #[test]
    fn events_that_are_missing_are_errors() {
        let config = StreamSnapshotConfig {
            topic: "events".to_owned(),
            snapshots: "events.snapshots".to_owned(),
            fold: StreamFold::LastValue,
            every_events: 10,
            every: Duration::from_secs(1),
            memory: 1 << 20,
            replay_budget: None,
            encoding: Encoding::Json,
        };
        let ranges = [PartitionRange {
            partition: 0,
            first: 10,
            end: 20,
        }];
        let checked = |next: &[(i32, i64)]| check(&config, &next.iter().copied().collect(), &ranges);
        for next in [[].as_slice(), &[(0, 10)], &[(0, 20)], &[(1, 0)]] {
            assert!(checked(next).is_ok(), "{next:?}");
        }
        let removed = checked(&[(0, 9)]).unwrap_err().to_string();
        assert!(removed.contains("from offset 9 on were removed"), "{removed}");
        assert!(removed.contains("delete events.snapshots"), "{removed}");
        let ahead = checked(&[(0, 21)]).unwrap_err().to_string();
        assert!(
            ahead.contains("includes events that events does not have"),
            "{ahead}"
        );
    }

    #[test]
    fn causes_are_in_the_texts() {
        let kafka = StreamSnapshotError::from(crate::error::KafkaError::Stopped);
        assert_eq!(kafka.to_string(), crate::error::KafkaError::Stopped.to_string());
        let registry = crate::registry::RegistryError::Client {
            reason: "no memory".to_owned(),
        };
        let text = StreamSnapshotError::from(registry).to_string();
        assert!(text.ends_with("no memory"), "{text}");
    }
}
