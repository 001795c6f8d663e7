//! From what is written to what can be used: names are derived, bounds checked, secrets read from their files.

mod admin;
mod dead_letters;
mod registry;
mod selection;
mod snapshot;
mod topic_name;

use std::collections::BTreeMap;
use std::time::Duration;

use tracing_subscriber::EnvFilter;
use walcast_delivery::{Guarantee, Partitions, ReplayConfig};
use walcast_mapper::{Encoding, EventsConfig, Shape, TablePattern, TypeModes};
use walcast_postgres::{ConnectConfig, Environment, Failover};

use super::bytes::ByteSize;
use super::document::Document;
use super::error::{ConfigError, Fault};
use super::exposed;
use super::raw::{
    RawAdmin, RawAuto, RawConfig, RawFailover, RawFormat, RawGuarantee, RawGuard, RawKafka, RawLog,
    RawLogFormat, RawPartitions, RawPostgres, RawRegistry, RawReplay, RawRetry, RawTopics,
};
use super::{
    Config, FormatSection, GuardSection, KafkaSection, LogFormat, LogSection, PostgresSection, Properties,
    RetrySection, TopicsSection,
};

/// Postgres cuts identifiers at 63 bytes; slot and publication must not be cut.
const IDENTIFIER_BYTES_MAX: usize = 63;
/// So that `walcast_<name>` is an identifier.
const NAME_BYTES_MAX: usize = IDENTIFIER_BYTES_MAX - "walcast_".len();
/// Kafka takes topic names of up to 249 characters; the prefix leaves room for `.<schema>.<table>`.
const TOPIC_PREFIX_BYTES_MAX: usize = 120;
/// Less than one read of the socket would make the queue a brake.
const QUEUE_BYTES_MIN: u64 = 64 << 10;
/// The queue is held in memory.
const QUEUE_BYTES_MAX: u64 = 4 << 30;
/// A leader that is late by a few hundred milliseconds is nothing unusual.
const LEAD_TIMEOUT_MS_MIN: u64 = 1_000;
/// Nobody leads for so long when the leader stands still.
const LEAD_TIMEOUT_MS_MAX: u64 = 600_000;
/// An hour; longer intervals would look like a hang.
const INTERVAL_MS_MAX: u64 = 3_600_000;
/// Each heartbeat is a Kafka commit; more of them would be in the way of the others.
const HEARTBEAT_INTERVAL_MS_MIN: u64 = 100;
/// Consumers wait for the commit, so a longer distance is a mistake.
const COMMIT_INTERVAL_MS_MAX: u64 = 60_000;
/// librdkafka's bounds of `transaction.timeout.ms`.
const TRANSACTION_TIMEOUT_MS: (u64, u64) = (1_000, 2_147_483_647);
/// Less than the `min_wal_size` of a server as shipped is a mistake in the unit.
const WAL_DISK_MIN: u64 = 80 << 20;
/// Splitting smaller transactions would give up their unity for nothing.
const SPLIT_BYTES_MIN: u64 = 1 << 20;

/// Of a 64-bit number; no currency has more than four.
const MONEY_FRACTION_DIGITS_MAX: u64 = 18;

/// Checks a raw configuration.
pub(crate) fn resolve(
    document: &Document<'_>,
    raw: RawConfig,
    environment: &Environment,
) -> Result<Config, ConfigError> {
    let check = Check { document };
    let exposed = exposed::of(document, &raw);
    let name = check.required("name", raw.name, "name = \"shop\"")?;
    check.name(&name)?;
    let reader = check.reader(&raw.snapshot, raw.postgres.password_file.as_ref(), environment)?;
    let snapshot = check.snapshot(raw.snapshot, reader)?;
    let postgres = check.postgres(&name, raw.postgres, environment)?;
    let kafka = check.kafka(&name, raw.kafka)?;
    Ok(Config {
        dead_letters: check.dead_letters(&name, &kafka.topic_prefix, raw.dead_letters)?,
        postgres,
        kafka,
        registry: check.registry(raw.registry, &raw.format)?,
        snapshot,
        replay: check.replay(&raw.replay)?,
        guard: check.guard(&raw.guard)?,
        format: check.format(raw.format)?,
        types: check.types(raw.types)?,
        names: check.names(raw.names)?,
        columns: check.columns(raw.columns)?,
        keys: check.keys(raw.keys)?,
        events: check.events(raw.events)?,
        retry: check.retry(&raw.retry)?,
        admin: check.admin(raw.admin)?,
        log: check.log(raw.log)?,
        exposed,
        name,
    })
}

/// Checks with the document at hand, so that every error points at its line.
struct Check<'d> {
    document: &'d Document<'d>,
}

impl Check<'_> {
    fn required<T>(
        &self,
        key: &'static str,
        value: Option<T>,
        example: &'static str,
    ) -> Result<T, ConfigError> {
        value.ok_or_else(|| self.document.error_at(key, Fault::Missing { key, example }))
    }

    fn rule(
        &self,
        key: &'static str,
        value: &str,
        wanted: &'static str,
        holds: bool,
    ) -> Result<(), ConfigError> {
        if holds {
            return Ok(());
        }
        Err(self.document.error_at(
            key,
            Fault::Value {
                key,
                value: value.to_owned(),
                wanted,
            },
        ))
    }

    fn range(&self, key: &'static str, value: u64, min: u64, max: u64) -> Result<u64, ConfigError> {
        if (min..=max).contains(&value) {
            return Ok(value);
        }
        Err(self.document.error_at(key, Fault::Range { key, value, min, max }))
    }

    fn interval(&self, key: &'static str, value_ms: u64, min_ms: u64) -> Result<Duration, ConfigError> {
        self.range(key, value_ms, min_ms, INTERVAL_MS_MAX)
            .map(Duration::from_millis)
    }

    fn memory(&self, key: &'static str, size: ByteSize, min: u64) -> Result<usize, ConfigError> {
        let bytes = self.range(key, size.as_u64(), min, QUEUE_BYTES_MAX)?;
        usize::try_from(bytes).map_err(|_| {
            self.document.error_at(
                key,
                Fault::Range {
                    key,
                    value: bytes,
                    min,
                    max: u64::from(u32::MAX),
                },
            )
        })
    }

    fn name(&self, name: &str) -> Result<(), ConfigError> {
        let holds = is_word(name, b"_-")
            && name.len() <= NAME_BYTES_MAX
            && name.starts_with(|first: char| first.is_ascii_lowercase());
        self.rule(
            "name",
            name,
            "up to 55 of a-z, 0-9, _ and -, beginning with a letter",
            holds,
        )
    }

    fn postgres(
        &self,
        name: &str,
        raw: RawPostgres,
        environment: &Environment,
    ) -> Result<PostgresSection, ConfigError> {
        let example = "url = \"postgres://walcast@db:5432/shop?sslmode=verify-full&sslrootcert=system\" under [postgres]";
        let url = self.required("postgres.url", raw.url, example)?;
        let connect = ConnectConfig::parse(url.reveal(), environment)
            .map_err(|source| self.document.error_at("postgres.url", Fault::Url { source }))?;
        let connect = match raw.password_file {
            Some(path) => connect.with_password_file(path),
            None => connect,
        };
        let identifier = format!("walcast_{}", name.replace('-', "_"));

        let slot = raw.slot.unwrap_or_else(|| identifier.clone());
        let is_slot = is_word(&slot, b"_") && slot.len() <= IDENTIFIER_BYTES_MAX;
        self.rule(
            "postgres.slot",
            &slot,
            "up to 63 of a-z, 0-9 and _, as Postgres names slots",
            is_slot,
        )?;
        let publication = raw.publication.unwrap_or(identifier);
        let is_identifier = !publication.is_empty()
            && publication.len() <= IDENTIFIER_BYTES_MAX
            && !publication.contains('\0');
        self.rule(
            "postgres.publication",
            &publication,
            "a Postgres name of up to 63 bytes",
            is_identifier,
        )?;

        self.rule(
            "postgres.tables",
            "[]",
            "at least one pattern such as \"public.*\"",
            !raw.tables.is_empty(),
        )?;
        if let Some(work_mem) = &raw.logical_decoding_work_mem {
            let holds = work_mem.ends_with(['B', 'k', 'M', 'G']) && work_mem.parse::<ByteSize>().is_ok();
            let wanted = "a size with its unit, as in postgresql.conf, such as \"256MB\"";
            self.rule("postgres.logical_decoding_work_mem", work_mem, wanted, holds)?;
        }
        Ok(PostgresSection {
            connect,
            slot,
            failover: match raw.failover {
                RawFailover::Said(true) => Failover::Always,
                RawFailover::Said(false) => Failover::Never,
                RawFailover::Left(RawAuto::Auto) => Failover::Auto,
            },
            lead_timeout: self
                .range(
                    "postgres.lead_timeout_ms",
                    raw.lead_timeout_ms,
                    LEAD_TIMEOUT_MS_MIN,
                    LEAD_TIMEOUT_MS_MAX,
                )
                .map(Duration::from_millis)?,
            publication,
            create: raw.create,
            tables: self.patterns("postgres.tables", &raw.tables)?,
            exclude: self.patterns("postgres.exclude", &raw.exclude)?,
            partitions: match raw.partitions {
                RawPartitions::Root => Partitions::Root,
                RawPartitions::Leaf => Partitions::Leaf,
            },
            logical_decoding_work_mem: raw.logical_decoding_work_mem,
            queue_bytes: self.memory("postgres.queue_bytes", raw.queue_bytes, QUEUE_BYTES_MIN)?,
            idle_interval: self.interval("postgres.idle_interval_ms", raw.idle_interval_ms, 10)?,
            watch_interval: self.interval("postgres.watch_interval_ms", raw.watch_interval_ms, 100)?,
        })
    }

    fn patterns(&self, key: &'static str, texts: &[String]) -> Result<Vec<TablePattern>, ConfigError> {
        let parse = |(index, text): (usize, &String)| {
            text.parse().map_err(|source| {
                let place = format!("{key}[{index}]");
                self.document.error_at(&place, Fault::Pattern { key, source })
            })
        };
        texts.iter().enumerate().map(parse).collect()
    }

    fn kafka(&self, name: &str, raw: RawKafka) -> Result<KafkaSection, ConfigError> {
        let example = "brokers = \"127.0.0.1:9092\" under [kafka]";
        let brokers = self.required("kafka.brokers", raw.brokers, example)?;
        let holds = brokers.split(',').all(|broker| !broker.trim().is_empty());
        self.rule(
            "kafka.brokers",
            &brokers,
            "host:port, several separated by commas",
            holds,
        )?;

        let topic_prefix = raw.topic_prefix.unwrap_or_else(|| name.to_owned());
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        let holds =
            (1..=TOPIC_PREFIX_BYTES_MAX).contains(&topic_prefix.len()) && topic_prefix.bytes().all(plain);
        let wanted = "up to 120 of A-Z, a-z, 0-9, dot, _ and -, as Kafka names topics";
        self.rule("kafka.topic_prefix", &topic_prefix, wanted, holds)?;

        let (min, max) = TRANSACTION_TIMEOUT_MS;
        let timeout_ms = self.range(
            "kafka.transaction_timeout_ms",
            raw.transaction_timeout_ms,
            min,
            max,
        )?;
        let interval_max = COMMIT_INTERVAL_MS_MAX.min(timeout_ms / 2);
        let interval_ms = self.range(
            "kafka.commit_interval_ms",
            raw.commit_interval_ms,
            0,
            interval_max,
        )?;
        let split_over_bytes = raw
            .split_over_bytes
            .map(|size| self.range("kafka.split_over_bytes", size.as_u64(), SPLIT_BYTES_MIN, u64::MAX));
        Ok(KafkaSection {
            brokers,
            topic_prefix,
            guarantee: match raw.delivery {
                RawGuarantee::ExactlyOnce => Guarantee::ExactlyOnce,
                RawGuarantee::AtLeastOnce => Guarantee::AtLeastOnce,
            },
            commit_interval: Duration::from_millis(interval_ms),
            commit_bytes: self.memory("kafka.commit_bytes", raw.commit_bytes, 1)?,
            transaction_timeout: Duration::from_millis(timeout_ms),
            split_over_bytes: split_over_bytes.transpose()?,
            topics: self.topics(raw.topics)?,
            properties: Properties(self.properties("kafka.properties", raw.properties)?),
        })
    }

    fn topics(&self, raw: RawTopics) -> Result<TopicsSection, ConfigError> {
        if let Some(partitions) = raw.partitions {
            self.range("kafka.topics.partitions", u64::from(partitions), 1, 100_000)?;
        }
        if let Some(replication) = raw.replication {
            self.range("kafka.topics.replication", u64::from(replication), 1, 100)?;
        }
        let mut config = self.properties("kafka.topics.config", raw.config)?;
        if let Some(policy) = raw.cleanup_policy {
            let holds = ["delete", "compact", "compact,delete", "delete,compact"].contains(&policy.as_str());
            let wanted = "\"delete\", \"compact\" or \"compact,delete\"";
            self.rule("kafka.topics.cleanup_policy", &policy, wanted, holds)?;
            if config.insert("cleanup.policy".to_owned(), policy).is_some() {
                let (first, second) = (
                    "kafka.topics.cleanup_policy",
                    "cleanup.policy in [kafka.topics.config]",
                );
                return Err(self.document.error_at(first, Fault::Both { first, second }));
            }
        }
        Ok(TopicsSection {
            create: raw.create,
            partitions: raw.partitions,
            replication: raw.replication,
            config,
        })
    }

    /// `linger.ms = 5` is a table `linger` to TOML; to Kafka it is one name.
    fn properties(
        &self,
        table: &'static str,
        raw: BTreeMap<String, toml::Value>,
    ) -> Result<BTreeMap<String, String>, ConfigError> {
        let mut flat = BTreeMap::new();
        let mut pending: Vec<(String, toml::Value)> = raw.into_iter().collect();
        while let Some((name, value)) = pending.pop() {
            let text = match value {
                toml::Value::Table(nested) => {
                    pending.extend(
                        nested
                            .into_iter()
                            .map(|(key, value)| (format!("{name}.{key}"), value)),
                    );
                    continue;
                }
                toml::Value::String(text) => text,
                toml::Value::Integer(number) => number.to_string(),
                toml::Value::Float(number) => number.to_string(),
                toml::Value::Boolean(flag) => flag.to_string(),
                toml::Value::Array(_) | toml::Value::Datetime(_) => {
                    let wanted = "a string, a number or a boolean as its value";
                    let fault = Fault::Value {
                        key: table,
                        value: name.clone(),
                        wanted,
                    };
                    return Err(self.document.error_at(&format!("{table}.{name}"), fault));
                }
            };
            flat.insert(name, text);
        }
        Ok(flat)
    }

    fn types(&self, raw: TypeModes) -> Result<TypeModes, ConfigError> {
        let digits = u64::from(raw.money_fraction_digits);
        self.range(
            "types.money_fraction_digits",
            digits,
            0,
            MONEY_FRACTION_DIGITS_MAX,
        )?;
        Ok(raw)
    }

    fn events(&self, events: EventsConfig) -> Result<EventsConfig, ConfigError> {
        let interval_ms = events.heartbeat_interval_ms;
        if interval_ms > 0 {
            self.interval(
                "events.heartbeat_interval_ms",
                interval_ms,
                HEARTBEAT_INTERVAL_MS_MIN,
            )?;
        }
        for (key, topic) in [
            ("events.transaction_topic", &events.transaction_topic),
            ("events.heartbeat_topic_prefix", &events.heartbeat_topic_prefix),
        ] {
            let holds = !topic.is_empty()
                && topic
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte));
            self.rule(key, topic, "a name of A-Z, a-z, 0-9, dot, _ and -", holds)?;
        }
        Ok(events)
    }

    fn replay(&self, raw: &RawReplay) -> Result<ReplayConfig, ConfigError> {
        let history_interval = raw.history_interval.as_duration();
        let holds = history_interval >= Duration::from_secs(1);
        self.rule(
            "replay.history_interval",
            &raw.history_interval.to_string(),
            "at least \"1s\"",
            holds,
        )?;
        Ok(ReplayConfig {
            keep: raw.keep.as_duration(),
            keep_bytes: raw.keep_bytes.map(ByteSize::as_u64),
            history_interval,
        })
    }

    fn guard(&self, raw: &RawGuard) -> Result<GuardSection, ConfigError> {
        if let Some(wal_disk) = raw.wal_disk {
            let holds = wal_disk.as_u64() >= WAL_DISK_MIN;
            self.rule(
                "guard.wal_disk",
                &wal_disk.to_string(),
                "at least \"80MB\"",
                holds,
            )?;
        }
        Ok(GuardSection {
            warn_before: raw.warn_before.as_duration(),
            wal_disk: raw.wal_disk.map(ByteSize::as_u64),
        })
    }

    fn retry(&self, raw: &RawRetry) -> Result<RetrySection, ConfigError> {
        let delay_max = self.interval("retry.delay_max_ms", raw.delay_max_ms, 1)?;
        let delay_min_ms = self.range("retry.delay_min_ms", raw.delay_min_ms, 1, raw.delay_max_ms)?;
        Ok(RetrySection {
            delay_min: Duration::from_millis(delay_min_ms),
            delay_max,
        })
    }

    fn format(&self, raw: RawFormat) -> Result<FormatSection, ConfigError> {
        let is_json = raw.shape != Shape::CloudEvents || raw.value != Encoding::Avro;
        let wanted = "json or json_schema where shape is cloud_events";
        self.rule("format.value", "avro", wanted, is_json)?;
        Ok(FormatSection {
            tombstones_on_delete: raw.tombstones_on_delete,
            unavailable_values: raw.unavailable_values,
            unavailable_value_placeholder: raw.unavailable_value_placeholder,
            key: raw.key,
            value: raw.value,
            shape: raw.shape,
            flat: raw.flat,
            missing_not_null: raw.missing_not_null,
            null_with_default: raw.null_with_default,
        })
    }

    fn log(&self, raw: RawLog) -> Result<LogSection, ConfigError> {
        let wanted = "error, warn, info, debug or trace, or a list as in RUST_LOG";
        self.rule(
            "log.level",
            &raw.level,
            wanted,
            EnvFilter::try_new(&raw.level).is_ok(),
        )?;
        let format = match raw.format {
            RawLogFormat::Human => LogFormat::Human,
            RawLogFormat::Json => LogFormat::Json,
        };
        Ok(LogSection {
            format,
            level: raw.level,
        })
    }
}

/// Small letters, digits and some other bytes, at least one of them.
pub(super) fn is_word(text: &str, others: &[u8]) -> bool {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || others.contains(&byte);
    !text.is_empty() && text.bytes().all(allowed)
}
