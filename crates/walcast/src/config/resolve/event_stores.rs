//! Event stores, from `[[event_store]]`. Patterns and presets are resolved with the file; these checks concern the remaining rules.

use walcast_mapper::config::EventStoreRule;

use super::check::Check;
use super::names::Names;
use crate::config::error::ConfigError;
use crate::config::raw::RawConfig;

impl Check<'_> {
    pub(super) fn event_stores(
        &self,
        raw: &RawConfig,
        names: &Names,
    ) -> Result<Vec<EventStoreRule>, ConfigError> {
        let reserved = names.reserved_topics();
        for (index, rule) in raw.event_store.iter().enumerate() {
            let place = |key: &str| format!("event_store[{index}].{key}");
            for (key, manual, column) in [
                ("stream_id", "event_store.stream_id", &rule.stream_id),
                ("version", "event_store.version", &rule.version),
                ("type", "event_store.type", &rule.event_type),
                ("id", "event_store.id", &rule.id),
                ("data", "event_store.data", &rule.data),
            ] {
                if column.as_deref() == Some("") {
                    return Err(self.wrong_at(&place(key), manual, "", "the name of a column"));
                }
            }
            for (key, manual, number) in [
                ("topics_max", "event_store.topics_max", rule.topics_max),
                (
                    "streams_remembered",
                    "event_store.streams_remembered",
                    rule.streams_remembered,
                ),
            ] {
                if number == 0 {
                    return Err(self.wrong_at(&place(key), manual, "0", "at least one"));
                }
            }
            let topic = rule.constant_topic().unwrap_or_default();
            if reserved.iter().any(|reserved| reserved.topic == topic) {
                let wanted = "a topic that the connector does not use for another purpose";
                return Err(self.wrong_at(&place("route_topic"), "event_store.route_topic", &topic, wanted));
            }
        }
        Ok(raw.event_store.clone())
    }
}
