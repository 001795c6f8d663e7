//! Configuration of the mapper, from `[format]`, `[types]`, `[names]`, `[columns]`, `[[keys]]`, `[[outbox]]` and `[events]`. Patterns are parsed with
//! the file; these checks concern the remaining rules.

use walcast_mapper::MapperConfig;
use walcast_mapper::config::{
    ColumnSettings, Encoding, EventsConfig, KeyRule, NameSettings, ReservedTopic, Shape, TypeModes,
};
use walcast_mapper::pattern::ColumnPattern;

use super::check::{Check, INTERVAL_MAX};
use super::names::{Names, is_of_topics};
use crate::config::duration::ConfigDuration;
use crate::config::error::ConfigError;
use crate::config::raw::{RawConfig, RawFormat};

/// Limit of a 64-bit number; no currency has more than four digits.
const MONEY_FRACTION_DIGITS_MAX: u64 = 18;
/// A topic name has at most 249 characters: the prefix, two names of Postgres, and two delimiters of this length.
const DELIMITER_BYTES_MAX: usize = 4;
/// Each heartbeat is a Kafka commit; more frequent heartbeats would delay other commits.
const HEARTBEAT_INTERVAL_MIN: ConfigDuration = ConfigDuration::from_millis(100);

impl Check<'_> {
    pub(super) fn mapper(
        &self,
        raw: &RawConfig,
        names: &Names,
        database: &str,
    ) -> Result<MapperConfig, ConfigError> {
        let format = &raw.format;
        self.format(format)?;
        let reserved_topics = names.reserved_topics();
        Ok(MapperConfig {
            topic_prefix: names.topic_prefix.clone(),
            database: database.to_owned(),
            tombstones_on_delete: format.tombstones_on_delete,
            context_headers: format.context_headers,
            unavailable_value_placeholder: format.unavailable_value_placeholder.clone(),
            unavailable_values: format.unavailable_values,
            key: format.key,
            value: format.value,
            debezium_version: format.debezium_version,
            shape: format.shape,
            flat: format.flat.clone(),
            types: self.types(&raw.types)?,
            names: self.name_settings(&raw.names, &reserved_topics)?,
            columns: self.columns(&raw.columns)?,
            keys: self.keys(&raw.keys)?,
            missing_not_null: format.missing_not_null,
            null_with_default: format.null_with_default,
            events: self.events(raw, names)?,
            context: self.context(&raw.context)?,
            reserved_topics,
            destinations: Vec::new(),
            outboxes: self.outboxes(raw, names)?,
            event_stores: self.event_stores(raw, names)?,
        })
    }

    fn format(&self, raw: &RawFormat) -> Result<(), ConfigError> {
        let is_json = raw.shape != Shape::CloudEvents || raw.value != Encoding::Avro;
        let wanted = "json or json_schema where shape is cloud_events";
        self.rule("format.value", "avro", wanted, is_json)?;
        let added = [
            ("format.flat.fields", &raw.flat.fields),
            ("format.flat.headers", &raw.flat.headers),
        ];
        for (key, parts) in added {
            for part in parts {
                let wanted = "a part that the envelope has in debezium_version = \"3.3\"; the replication origin comes with \"3.6\"";
                self.rule(key, part.written(), wanted, part.since() <= raw.debezium_version)?;
            }
        }
        Ok(())
    }

    fn types(&self, raw: &TypeModes) -> Result<TypeModes, ConfigError> {
        let key = "types.money_fraction_digits";
        let digits = u64::from(raw.money_fraction_digits);
        self.range(key, digits, 0, MONEY_FRACTION_DIGITS_MAX)?;
        Ok(raw.clone())
    }

    fn name_settings(
        &self,
        raw: &NameSettings,
        reserved: &[ReservedTopic],
    ) -> Result<NameSettings, ConfigError> {
        let delimiter = &raw.delimiter;
        let holds = (1..=DELIMITER_BYTES_MAX).contains(&delimiter.len()) && is_of_topics(delimiter);
        let wanted = "up to 4 of A-Z, a-z, 0-9, dot, _ and -, as Kafka names topics";
        self.rule("names.delimiter", delimiter, wanted, holds)?;
        self.routes(&raw.routes, reserved)?;
        Ok(raw.clone())
    }

    fn columns(&self, raw: &ColumnSettings) -> Result<ColumnSettings, ConfigError> {
        let mask = raw.mask.iter().map(|rule| &rule.columns);
        self.require_columns("columns.mask.columns", "columns.mask", mask)?;
        let truncate = raw.truncate.iter().map(|rule| &rule.columns);
        self.require_columns("columns.truncate.columns", "columns.truncate", truncate)?;
        let hash = raw.hash.iter().map(|rule| &rule.columns);
        self.require_columns("columns.hash.columns", "columns.hash", hash)?;
        Ok(raw.clone())
    }

    /// Checks that every rule has a column, because a rule without columns has no effect.
    fn require_columns<'r>(
        &self,
        key: &'static str,
        table: &str,
        mut rules: impl Iterator<Item = &'r Vec<ColumnPattern>>,
    ) -> Result<(), ConfigError> {
        match rules.position(Vec::is_empty) {
            None => Ok(()),
            Some(index) => {
                let wanted = "at least one pattern such as \"public.users.email\"";
                Err(self.wrong_at(&format!("{table}[{index}].columns"), key, "[]", wanted))
            }
        }
    }

    fn keys(&self, raw: &[KeyRule]) -> Result<Vec<KeyRule>, ConfigError> {
        match raw.iter().position(|rule| rule.columns.is_empty()) {
            None => Ok(raw.to_vec()),
            Some(index) => {
                let place = format!("keys[{index}].columns");
                Err(self.wrong_at(&place, "keys.columns", "[]", "at least one column"))
            }
        }
    }

    fn events(&self, config: &RawConfig, names: &Names) -> Result<EventsConfig, ConfigError> {
        let raw = &config.events;
        let interval = raw.heartbeat_interval;
        if !interval.get().is_zero() {
            let key = "events.heartbeat_interval";
            self.duration(key, interval, HEARTBEAT_INTERVAL_MIN, INTERVAL_MAX)?;
        }
        for (key, topic) in [
            ("events.transaction_topic", &raw.transaction_topic),
            ("events.heartbeat_topic_prefix", &raw.heartbeat_topic_prefix),
        ] {
            let holds = !topic.is_empty() && is_of_topics(topic);
            self.rule(key, topic, "a name of A-Z, a-z, 0-9, dot, _ and -", holds)?;
        }
        self.event_topics(config, names)?;
        Ok(EventsConfig {
            operations: raw.operations.clone(),
            skip_unchanged: raw.skip_unchanged,
            transactions: raw.transactions,
            transaction_topic: raw.transaction_topic.clone(),
            messages: raw.messages.clone(),
            exclude_messages: raw.exclude_messages.clone(),
            heartbeat_interval: interval.get(),
            heartbeat_topic_prefix: raw.heartbeat_topic_prefix.clone(),
            notification_topic: raw.notification_topic.clone(),
        })
    }
}
