//! Outbox tables, from `[[outbox]]`. Patterns and regular expressions are parsed with the file; these checks concern the remaining rules.

use walcast_mapper::config::{OutboxRule, Placement};

use super::check::Check;
use super::names::Names;
use crate::config::error::ConfigError;
use crate::config::raw::RawConfig;

impl Check<'_> {
    pub(super) fn outboxes(&self, raw: &RawConfig, names: &Names) -> Result<Vec<OutboxRule>, ConfigError> {
        let reserved = names.reserved_topics();
        for (index, rule) in raw.outbox.iter().enumerate() {
            let place = |key: &str| format!("outbox[{index}].{key}");
            for (key, manual, column) in [
                ("id", "outbox.id", &rule.id),
                ("key", "outbox.key", &rule.key),
                ("payload", "outbox.payload", &rule.payload),
                ("route_by", "outbox.route_by", &rule.route_by),
            ] {
                if column.is_empty() {
                    return Err(self.wrong_at(&place(key), manual, column, "the name of a column"));
                }
            }
            if rule.topics_max == 0 {
                return Err(self.wrong_at(
                    &place("topics_max"),
                    "outbox.topics_max",
                    "0",
                    "at least one topic",
                ));
            }
            if rule.schema_version.is_some() && rule.additional(Placement::Envelope).next().is_none() {
                let wanted = "an entry column:envelope where schema_version is set: only such values have a schema with a version";
                return Err(self.wrong_at(&place("additional"), "outbox.additional", "without one", wanted));
            }
            if rule.additional(Placement::Partition).count() > 1 {
                let wanted = "at most one column as the partition";
                return Err(self.wrong_at(&place("additional"), "outbox.additional", "with several", wanted));
            }
            let topic = rule.constant_topic().unwrap_or_default();
            if reserved.iter().any(|reserved| reserved.topic == topic) {
                let wanted = "a topic that the connector does not use for another purpose";
                return Err(self.wrong_at(&place("route_topic"), "outbox.route_topic", &topic, wanted));
            }
        }
        Ok(raw.outbox.clone())
    }
}
