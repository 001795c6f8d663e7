//! Configurations of delivery and of the slot monitor, from `[kafka]`, `[postgres]`, `[dead_letters]`, `[replay]`, `[retry]` and
//! `[slot_monitor]`.

use std::time::Duration;

use walcast_delivery::{DeadLetterConfig, DeliveryConfig, ReplayConfig, SlotMonitorConfig, SnapshotConfig};
use walcast_kafka::KafkaConfig;
use walcast_postgres::PostgresConfig;

use super::check::{Check, INTERVAL_MAX};
use super::names::Names;
use crate::config::bytes::ByteSize;
use crate::config::duration::ConfigDuration;
use crate::config::error::ConfigError;
use crate::config::raw::{RawConfig, RawDeadLetters, RawKafka, RawReplay, RawSlotMonitor};

/// Consumers wait for the commit; a longer interval is probably a mistake.
const COMMIT_INTERVAL_MAX: ConfigDuration = ConfigDuration::from_secs(60);
/// Splitting smaller transactions would sacrifice their atomicity without a benefit.
const SPLIT_BYTES_MIN: u64 = 1 << 20;
/// Each idle checkpoint is a Kafka commit.
const IDLE_INTERVAL_MIN: ConfigDuration = ConfigDuration::from_millis(10);
/// Each check is a query on the source.
const SLOT_CHECK_INTERVAL_MIN: ConfigDuration = ConfigDuration::from_millis(100);
/// Shorter delays would be a busy loop.
const RETRY_BACKOFF_MIN: ConfigDuration = ConfigDuration::from_millis(1);
/// Each position of the history is part of the checkpoint.
const HISTORY_INTERVAL_MIN: Duration = Duration::from_secs(1);
/// Default of `min_wal_size`; a smaller size is probably a wrong unit.
const WAL_DISK_SIZE_MIN: u64 = 80 << 20;

impl Check<'_> {
    pub(super) fn delivery(
        &self,
        raw: &RawConfig,
        names: &Names,
        snapshot: SnapshotConfig,
        kafka: &KafkaConfig,
    ) -> Result<DeliveryConfig, ConfigError> {
        let (postgres, retry) = (&raw.postgres, &raw.retry);
        let (idle_min, check_min) = (IDLE_INTERVAL_MIN, SLOT_CHECK_INTERVAL_MIN);
        let (idle_key, check_key) = ("postgres.idle_interval", "postgres.slot_check_interval");
        let (retry_min, retry_max) = (RETRY_BACKOFF_MIN, INTERVAL_MAX);
        let retry_backoff_max =
            self.duration("retry.backoff_max", retry.backoff_max, retry_min, retry_max)?;
        Ok(DeliveryConfig {
            slot: names.slot.clone(),
            publication: names.publication.clone(),
            create_missing: postgres.auto_create.creates(),
            commit_interval: self.commit_interval(raw.kafka.commit_interval, kafka.transaction_timeout)?,
            commit_bytes: self.memory("kafka.commit_bytes", raw.kafka.commit_bytes, 1)?,
            transaction_timeout: kafka.transaction_timeout,
            split_over_bytes: self.split_over_bytes(&raw.kafka)?,
            on_incompatible: raw.registry.on_incompatible,
            dead_letters: dead_letters(&raw.dead_letters, names),
            idle_interval: self.duration(idle_key, postgres.idle_interval, idle_min, INTERVAL_MAX)?,
            slot_check_interval: self.duration(
                check_key,
                postgres.slot_check_interval,
                check_min,
                INTERVAL_MAX,
            )?,
            replay: self.replay(&raw.replay)?,
            retry_backoff_min: self.duration(
                "retry.backoff_min",
                retry.backoff_min,
                retry_min,
                retry.backoff_max,
            )?,
            retry_backoff_max,
            snapshot,
        })
    }

    /// Interval of commits, several of which must fit into the timeout of a transaction.
    fn commit_interval(
        &self,
        raw: ConfigDuration,
        transaction_timeout: Duration,
    ) -> Result<Duration, ConfigError> {
        let max = COMMIT_INTERVAL_MAX.min(ConfigDuration::new(transaction_timeout / 2));
        self.duration("kafka.commit_interval", raw, ConfigDuration::from_secs(0), max)
    }

    fn split_over_bytes(&self, raw: &RawKafka) -> Result<Option<u64>, ConfigError> {
        let key = "kafka.split_over_bytes";
        let size = raw.split_over_bytes;
        size.map(|size| self.range(key, size.as_u64(), SPLIT_BYTES_MIN, u64::MAX))
            .transpose()
    }

    fn replay(&self, raw: &RawReplay) -> Result<ReplayConfig, ConfigError> {
        let history_interval = raw.history_interval.get();
        let holds = history_interval >= HISTORY_INTERVAL_MIN;
        let text = raw.history_interval.to_string();
        self.rule("replay.history_interval", &text, "at least \"1s\"", holds)?;
        Ok(ReplayConfig {
            retention: raw.retention.get(),
            retention_bytes: raw.retention_bytes.map(ByteSize::as_u64),
            history_interval,
        })
    }

    /// Size of the disk that holds the WAL, which the source and the slot monitor need.
    pub(super) fn wal_disk_size(&self, raw: Option<ByteSize>) -> Result<Option<u64>, ConfigError> {
        let Some(size) = raw else {
            return Ok(None);
        };
        let holds = size.as_u64() >= WAL_DISK_SIZE_MIN;
        let key = "slot_monitor.wal_disk_size";
        self.rule(key, &size.to_string(), "at least \"80MB\"", holds)?;
        Ok(Some(size.as_u64()))
    }
}

/// Configuration of dead letters, whose topic is one of the connector's names.
fn dead_letters(raw: &RawDeadLetters, names: &Names) -> DeadLetterConfig {
    DeadLetterConfig {
        connector: names.connector.clone(),
        topic: names.dead_letter_topic.clone(),
        on_error: raw.on_error,
        rules: raw.rules.clone(),
    }
}

/// Configuration of the slot monitor, which shares slot, interval and disk with the source and delivery.
pub(super) fn slot_monitor(
    raw: &RawSlotMonitor,
    postgres: &PostgresConfig,
    delivery: &DeliveryConfig,
) -> SlotMonitorConfig {
    SlotMonitorConfig {
        slot: postgres.slot.clone(),
        interval: delivery.slot_check_interval,
        warn_within: raw.warn_within.get(),
        wal_disk_size: postgres.wal_disk_size,
    }
}
