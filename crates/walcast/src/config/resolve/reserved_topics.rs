//! Reserved topics: checkpoints, dead letters and signals share no topic with the records of a table.

use walcast_mapper::config::{ReservedTopic, Route, TopicPurpose};

use super::check::Check;
use super::names::Names;
use crate::config::error::ConfigError;

impl Names {
    /// Topics that records of tables must not reach.
    pub(super) fn reserved_topics(&self) -> Vec<ReservedTopic> {
        let topics = [
            (TopicPurpose::Checkpoints, Some(&self.checkpoint_topic)),
            (TopicPurpose::DeadLetters, Some(&self.dead_letter_topic)),
            (TopicPurpose::Signals, self.signal_topic.as_ref()),
        ];
        let reserved = topics.into_iter().filter_map(|(purpose, topic)| {
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
            let wanted = match reserved.purpose {
                TopicPurpose::Checkpoints => "a topic other than the checkpoint topic",
                TopicPurpose::DeadLetters => "a topic other than the dead-letter topic",
                TopicPurpose::Signals => "a topic other than the signal topic",
            };
            let place = format!("names.routes[{index}].topic");
            return Err(self.wrong_at(&place, "names.routes.topic", &topic, wanted));
        }
        Ok(())
    }
}
