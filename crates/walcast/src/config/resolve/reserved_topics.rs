//! Reserved topics: checkpoints, certificates, replays, dead letters, signals and snapshots of streams share no topic with other records.

use walcast_mapper::config::{ReservedTopic, Route, TopicPurpose};

use super::check::Check;
use super::names::Names;
use crate::config::error::ConfigError;
use crate::config::raw::{RawConfig, RawEvents};

impl Names {
    /// Topics that records of tables must not reach.
    pub(super) fn reserved_topics(&self) -> Vec<ReservedTopic> {
        let topics = [
            (TopicPurpose::Checkpoints, Some(&self.checkpoint_topic)),
            (TopicPurpose::Verifications, Some(&self.verification_topic)),
            (TopicPurpose::Replays, Some(&self.replay_topic)),
            (TopicPurpose::DeadLetters, Some(&self.dead_letter_topic)),
            (TopicPurpose::Signals, self.signal_topic.as_ref()),
        ];
        let snapshots = self.stream_snapshot_topics.iter();
        let snapshots = snapshots.map(|topic| (TopicPurpose::StreamSnapshots, Some(topic)));
        let reserved = topics
            .into_iter()
            .chain(snapshots)
            .filter_map(|(purpose, topic)| {
                let topic = topic?.clone();
                Some(ReservedTopic { topic, purpose })
            });
        reserved.collect()
    }
}

impl Check<'_> {
    /// Checks routes whose target is known without a table. The target of the other routes is checked when a table is mapped.
    pub(super) fn routes(&self, routes: &[Route], reserved: &[ReservedTopic]) -> Result<(), ConfigError> {
        for (index, route) in routes.iter().enumerate() {
            let Some(topic) = route.constant_topic() else {
                continue;
            };
            let Some(reserved) = reserved.iter().find(|reserved| reserved.topic == topic) else {
                continue;
            };
            let wanted = other_topic(reserved.purpose);
            let place = format!("names.routes[{index}].topic");
            return Err(self.wrong_at(&place, "names.routes.topic", &topic, wanted));
        }
        Ok(())
    }

    /// Checks the topics of events that belong to no table, as far as they are used.
    pub(super) fn event_topics(&self, raw: &RawConfig, names: &Names) -> Result<(), ConfigError> {
        let RawEvents {
            transaction_topic,
            heartbeat_topic_prefix,
            notification_topic,
            ..
        } = &raw.events;
        let (prefix, delimiter) = (&names.topic_prefix, &raw.names.delimiter);
        let transactions = raw
            .events
            .transactions
            .then(|| [prefix.as_str(), transaction_topic].join(delimiter));
        let has_heartbeats = !raw.events.heartbeat_interval.get().is_zero();
        let heartbeats = has_heartbeats.then(|| [heartbeat_topic_prefix.as_str(), prefix].join(delimiter));
        let reserved = names.reserved_topics();
        for (key, value, topic) in [
            ("events.transaction_topic", Some(transaction_topic), transactions),
            (
                "events.heartbeat_topic_prefix",
                Some(heartbeat_topic_prefix),
                heartbeats,
            ),
            (
                "events.notification_topic",
                notification_topic.as_ref(),
                notification_topic.clone(),
            ),
        ] {
            let found = reserved
                .iter()
                .find(|reserved| Some(&reserved.topic) == topic.as_ref());
            if let (Some(reserved), Some(value)) = (found, value) {
                return Err(self.wrong_at(key, key, value, other_topic(reserved.purpose)));
            }
        }
        Ok(())
    }
}

fn other_topic(purpose: TopicPurpose) -> &'static str {
    match purpose {
        TopicPurpose::Checkpoints => "a topic other than the checkpoint topic",
        TopicPurpose::Verifications => "a topic other than the verification topic",
        TopicPurpose::Replays => "a topic other than the replay topic",
        TopicPurpose::DeadLetters => "a topic other than the dead-letter topic",
        TopicPurpose::Signals => "a topic other than the signal topic",
        TopicPurpose::StreamSnapshots => "a topic other than a topic of snapshots of streams",
    }
}
