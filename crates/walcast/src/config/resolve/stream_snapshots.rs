//! Snapshots of streams, from `[[stream_snapshots]]`.

use walcast_kafka::StreamSnapshotConfig;
use walcast_mapper::config::TopicPurpose;

use super::check::Check;
use super::names::Names;
use crate::config::duration::ConfigDuration;
use crate::config::error::ConfigError;
use crate::config::raw::RawConfig;

/// The end of the topic is not looked up more often.
const EVERY_MIN: ConfigDuration = ConfigDuration::from_millis(100);
/// A day; a projection would have to read the events of more.
const EVERY_MAX: ConfigDuration = ConfigDuration::from_secs(24 * 3600);
/// Events whose snapshots fit in a Kafka transaction.
const EVERY_EVENTS_MAX: u64 = 1_000_000;
/// A few thousand streams.
const MEMORY_MIN: u64 = 1 << 20;
/// No reader waits longer for a projection.
const BUDGET_MAX: ConfigDuration = ConfigDuration::from_secs(366 * 24 * 3600);

impl Check<'_> {
    pub(super) fn stream_snapshots(
        &self,
        raw: &RawConfig,
        names: &Names,
    ) -> Result<Vec<StreamSnapshotConfig>, ConfigError> {
        // Whether two entries share a topic is checked below.
        let mut reserved = names.reserved_topics();
        reserved.retain(|reserved| reserved.purpose != TopicPurpose::StreamSnapshots);
        let mut all: Vec<StreamSnapshotConfig> = Vec::new();
        for (index, rule) in raw.stream_snapshots.iter().enumerate() {
            let snapshots = rule.target();
            let is_used = |topic: &str| {
                all.iter()
                    .any(|other| other.topic == topic || other.snapshots == topic)
            };
            let is_reserved = reserved
                .iter()
                .any(|reserved| reserved.topic == rule.topic || reserved.topic == snapshots);
            if rule.topic.is_empty() || is_reserved || is_used(&rule.topic) || is_used(&snapshots) {
                let place = format!("stream_snapshots[{index}].topic");
                let wanted = "the topic of an event store, which no other entry names";
                return Err(self.wrong_at(&place, "stream_snapshots.topic", &rule.topic, wanted));
            }
            let budget =
                |budget| self.duration("stream_snapshots.replay_budget", budget, EVERY_MIN, BUDGET_MAX);
            let every_events = "stream_snapshots.every_events";
            all.push(StreamSnapshotConfig {
                topic: rule.topic.clone(),
                snapshots,
                fold: rule.fold,
                every_events: self.range(every_events, rule.every_events, 1, EVERY_EVENTS_MAX)?,
                every: self.duration("stream_snapshots.every", rule.every, EVERY_MIN, EVERY_MAX)?,
                memory: self.memory("stream_snapshots.memory", rule.memory, MEMORY_MIN)?,
                replay_budget: rule.replay_budget.map(budget).transpose()?,
                encoding: raw.format.value,
            });
        }
        Ok(all)
    }
}
