//! Names of topics, as Kafka takes them.

use super::Check;
use crate::config::ConfigError;

/// Kafka's limit.
const BYTES_MAX: usize = 249;

impl Check<'_> {
    pub(super) fn topic_name(&self, key: &'static str, topic: &str) -> Result<(), ConfigError> {
        let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        let holds =
            !matches!(topic, "" | "." | "..") && topic.len() <= BYTES_MAX && topic.bytes().all(is_allowed);
        let wanted = "a topic's name: up to 249 letters, digits, dots, _ and -";
        self.rule(key, topic, wanted, holds)
    }
}
