//! Outboxes, from `[[outbox]]`. Patterns and regular expressions are parsed with the file; these checks concern the remaining rules.

use walcast_delivery::{DeadLetterConfig, OnError};
use walcast_mapper::config::{Encoding, OutboxRule, Placement};
use walcast_mapper::{MapperConfig, MessageOutbox, TableName};

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
            self.payload(raw, rule, &place)?;
            let topic = rule.constant_topic().unwrap_or_default();
            if reserved.iter().any(|reserved| reserved.topic == topic) {
                let wanted = "a topic that the connector does not use for another purpose";
                return Err(self.wrong_at(&place("route_topic"), "outbox.route_topic", &topic, wanted));
            }
        }
        Ok(raw.outbox.clone())
    }

    /// Checks how payloads are written.
    fn payload(
        &self,
        raw: &RawConfig,
        rule: &OutboxRule,
        place: &impl Fn(&str) -> String,
    ) -> Result<(), ConfigError> {
        let Some(schema_by) = &rule.schema_by else {
            return Ok(());
        };
        let wrong = |wanted| self.wrong_at(&place("schema_by"), "outbox.schema_by", schema_by, wanted);
        if raw.format.value != Encoding::Avro {
            return Err(wrong("no schema where [format] value is not avro"));
        }
        if rule.expand_json {
            return Err(wrong(
                "no schema where expand_json is true: the schema follows from the payload then",
            ));
        }
        if rule.additional(Placement::Envelope).next().is_some() {
            return Err(wrong(
                "no schema where a column is placed in the envelope: the value is not the payload then",
            ));
        }
        if rule.schema_subject.is_empty() {
            let wanted = "a subject such as \"{type}\" or \"events.{type}-value\"";
            return Err(self.wrong_at(&place("schema_subject"), "outbox.schema_subject", "", wanted));
        }
        Ok(())
    }

    /// Checks that messages have one purpose each, and that none is to be quarantined: a message cannot be read again.
    pub(super) fn message_outboxes(
        &self,
        mapper: &MapperConfig,
        dead_letters: &DeadLetterConfig,
    ) -> Result<(), ConfigError> {
        let context = &mapper.context;
        for (index, rule) in mapper.outboxes.iter().enumerate() {
            let Some(prefix) = rule.message_prefix() else {
                continue;
            };
            let place = format!("outbox[{index}].source");
            let source = rule.source.to_string();
            let wrong = |wanted| self.wrong_at(&place, "outbox.source", &source, wanted);
            let others = mapper.outboxes.iter().take(index);
            if others
                .into_iter()
                .any(|other| other.message_prefix() == Some(prefix))
            {
                return Err(wrong("a prefix that no other outbox has"));
            }
            let mut of_context = context.prefixes.iter().chain(&context.clear_prefixes);
            if of_context.any(|used| used == prefix) {
                return Err(wrong("a prefix that [context] does not have"));
            }
        }
        for outbox in MessageOutbox::all(mapper) {
            let table = TableName::from(outbox.relation());
            if dead_letters.action(&table) == OnError::Quarantine {
                let text = format!("quarantine for {table}");
                let wanted = "\"halt\" or \"dead_letter\" for an outbox of messages, in a rule for that table: a message cannot be read again";
                return Err(self.wrong_at("dead_letters.on_error", "dead_letters.on_error", &text, wanted));
            }
        }
        Ok(())
    }
}
