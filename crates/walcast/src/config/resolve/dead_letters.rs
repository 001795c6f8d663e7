//! What happens to changes that cannot be delivered.

use walcast_delivery::DeadLetterConfig;

use super::Check;
use super::snapshot::TOPIC_BYTES_MAX;
use crate::config::ConfigError;
use crate::config::raw::RawDeadLetters;

impl Check<'_> {
    pub(super) fn dead_letters(
        &self,
        name: &str,
        topic_prefix: &str,
        raw: RawDeadLetters,
    ) -> Result<DeadLetterConfig, ConfigError> {
        let topic = raw
            .topic
            .unwrap_or_else(|| format!("{topic_prefix}.dead-letters"));
        let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        let holds = !topic.is_empty() && topic.len() <= TOPIC_BYTES_MAX && topic.bytes().all(is_allowed);
        let wanted = "a topic's name: up to 249 letters, digits, dots, _ and -";
        self.rule("dead_letters.topic", &topic, wanted, holds)?;
        let checkpoints = walcast_kafka::checkpoint_topic(topic_prefix);
        let wanted = "a topic of its own, not that of the checkpoints";
        self.rule("dead_letters.topic", &topic, wanted, topic != checkpoints)?;
        Ok(DeadLetterConfig {
            connector: name.to_owned(),
            topic,
            on_error: raw.on_error,
            rules: raw.rules,
        })
    }
}
