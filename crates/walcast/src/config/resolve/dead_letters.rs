//! What happens to changes that cannot be delivered.

use walcast_delivery::DeadLetterConfig;

use super::Check;
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
        self.topic_name("dead_letters.topic", &topic)?;
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
