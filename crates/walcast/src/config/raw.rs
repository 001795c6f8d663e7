//! Unvalidated configuration: one struct for each table, with optional fields and default values.
//!
//! `docs/configuration.md` describes every key; a test compares the manual with these structs.

mod admin;
mod bookmarks;
mod consumers;
mod context;
mod log;
mod metrics;

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use walcast_delivery::{
    CreateMissing, DeadLetterRule, Guarantee, OnError, OnIncompatible, Partitions, RequestChannel,
    SnapshotMode,
};
use walcast_mapper::Secret;
use walcast_mapper::config::{
    ColumnSettings, DebeziumVersion, Encoding, EventStoreRule, EventsConfig, FlatForm, KeyRule,
    MissingNotNull, NameSettings, NullWithDefault, Operation, OutboxRule, Shape, TypeModes,
    UnavailableValues,
};
use walcast_mapper::pattern::{PrefixPattern, TablePattern};
use walcast_postgres::LEADER_TIMEOUT_DEFAULT;

pub(crate) use self::admin::RawAdmin;
pub(crate) use self::bookmarks::RawBookmarks;
pub(crate) use self::consumers::RawConsumers;
pub(crate) use self::context::RawContext;
pub(crate) use self::log::RawLog;
pub(crate) use self::metrics::RawMetrics;
use super::bytes::ByteSize;
use super::duration::ConfigDuration;

#[derive(Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a table")]
pub(crate) struct RawConfig {
    pub(crate) name: Option<String>,
    /// What a generated file does not withhold although its source did: rejected unless it is empty.
    pub(crate) unresolved: Vec<String>,
    pub(crate) postgres: RawPostgres,
    pub(crate) kafka: RawKafka,
    pub(crate) registry: RawRegistry,
    pub(crate) dead_letters: RawDeadLetters,
    pub(crate) snapshot: RawSnapshot,
    pub(crate) replay: RawReplay,
    pub(crate) bookmarks: RawBookmarks,
    pub(crate) slot_monitor: RawSlotMonitor,
    pub(crate) format: RawFormat,
    pub(crate) types: TypeModes,
    pub(crate) names: NameSettings,
    pub(crate) columns: ColumnSettings,
    pub(crate) keys: Vec<KeyRule>,
    pub(crate) outbox: Vec<OutboxRule>,
    pub(crate) event_store: Vec<EventStoreRule>,
    pub(crate) stream_snapshots: Vec<super::stream_snapshots::RawStreamSnapshots>,
    pub(crate) events: RawEvents,
    pub(crate) context: RawContext,
    pub(crate) retry: RawRetry,
    pub(crate) admin: RawAdmin,
    pub(crate) metrics: RawMetrics,
    pub(crate) consumers: RawConsumers,
    pub(crate) log: RawLog,
}

#[derive(Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a table")]
pub(crate) struct RawPostgres {
    #[serde(skip_serializing)]
    pub(crate) url: Option<Secret>,
    pub(crate) password_file: Option<PathBuf>,
    pub(crate) slot: Option<String>,
    pub(crate) failover: RawFailover,
    pub(crate) leader_timeout: ConfigDuration,
    pub(crate) publication: Option<String>,
    pub(crate) auto_create: RawAutoCreate,
    pub(crate) tables: Vec<String>,
    pub(crate) exclude: Vec<String>,
    pub(crate) partitions: Partitions,
    pub(crate) logical_decoding_work_mem: Option<String>,
    pub(crate) queue_bytes: ByteSize,
    pub(crate) idle_interval: ConfigDuration,
    pub(crate) slot_check_interval: ConfigDuration,
}

/// `true`, `false` or `"auto"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged, expecting = "true, false or \"auto\"")]
pub(crate) enum RawFailover {
    Explicit(bool),
    Auto(RawAuto),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum RawAuto {
    Auto,
}

/// `true`, `false` or `"slot"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged, expecting = "expected true, false or \"slot\"")]
pub(crate) enum RawAutoCreate {
    Both(bool),
    Slot(RawSlot),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum RawSlot {
    Slot,
}

impl RawAutoCreate {
    /// What is created if it is missing.
    pub(crate) fn creates(self) -> CreateMissing {
        match self {
            RawAutoCreate::Both(true) => CreateMissing::Both,
            RawAutoCreate::Both(false) => CreateMissing::Neither,
            RawAutoCreate::Slot(RawSlot::Slot) => CreateMissing::Slot,
        }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a table")]
pub(crate) struct RawKafka {
    pub(crate) brokers: Option<String>,
    pub(crate) topic_prefix: Option<String>,
    pub(crate) delivery_guarantee: Guarantee,
    pub(crate) commit_interval: ConfigDuration,
    pub(crate) commit_bytes: ByteSize,
    pub(crate) transaction_timeout: ConfigDuration,
    pub(crate) split_over_bytes: Option<ByteSize>,
    pub(crate) topics: RawTopics,
    pub(crate) properties: BTreeMap<String, toml::Value>,
}

#[derive(Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a table")]
pub(crate) struct RawTopics {
    pub(crate) auto_create: bool,
    pub(crate) partitions: Option<u32>,
    pub(crate) replication_factor: Option<u32>,
    pub(crate) cleanup_policy: Option<String>,
    pub(crate) config: BTreeMap<String, toml::Value>,
}

#[derive(Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a table")]
pub(crate) struct RawRegistry {
    pub(crate) url: Option<String>,
    pub(crate) username: Option<String>,
    #[serde(skip_serializing)]
    pub(crate) password: Option<Secret>,
    pub(crate) password_file: Option<PathBuf>,
    #[serde(skip_serializing)]
    pub(crate) bearer_token: Option<Secret>,
    pub(crate) bearer_token_file: Option<PathBuf>,
    pub(crate) ca_file: Option<PathBuf>,
    pub(crate) certificate_file: Option<PathBuf>,
    pub(crate) key_file: Option<PathBuf>,
    /// May contain a user and a password.
    #[serde(skip_serializing)]
    pub(crate) proxy: Option<Secret>,
    pub(crate) on_incompatible: OnIncompatible,
    pub(crate) auto_register: bool,
}

#[derive(Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a table")]
pub(crate) struct RawDeadLetters {
    pub(crate) on_error: OnError,
    pub(crate) topic: Option<String>,
    pub(crate) rules: Vec<DeadLetterRule>,
}

#[derive(Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a table")]
pub(crate) struct RawSnapshot {
    pub(crate) mode: SnapshotMode,
    pub(crate) tables: Vec<TablePattern>,
    pub(crate) filters: Vec<RawFilter>,
    pub(crate) parallelism: u64,
    pub(crate) initial_hold_max: ConfigDuration,
    pub(crate) hold_max: ConfigDuration,
    pub(crate) rows_per_second: Option<u32>,
    pub(crate) bytes_per_second: Option<ByteSize>,
    pub(crate) lock_timeout: ConfigDuration,
    #[serde(skip_serializing)]
    pub(crate) standby_url: Option<Secret>,
    pub(crate) user: Option<String>,
    #[serde(skip_serializing)]
    pub(crate) password: Option<Secret>,
    pub(crate) password_file: Option<PathBuf>,
    pub(crate) signal_table: Option<String>,
    pub(crate) signal_topic: Option<String>,
    pub(crate) sql_conditions: Vec<RequestChannel>,
    pub(crate) condition_timeout: ConfigDuration,
}

/// Condition for the rows of some tables.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table")]
pub(crate) struct RawFilter {
    pub(crate) tables: TablePattern,
    #[serde(rename = "where")]
    pub(crate) condition: String,
}

#[derive(Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a table")]
pub(crate) struct RawReplay {
    pub(crate) retention: ConfigDuration,
    pub(crate) retention_bytes: Option<ByteSize>,
    pub(crate) history_interval: ConfigDuration,
}

#[derive(Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a table")]
pub(crate) struct RawSlotMonitor {
    pub(crate) warn_within: ConfigDuration,
    pub(crate) wal_disk_size: Option<ByteSize>,
}

#[derive(Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a table")]
pub(crate) struct RawFormat {
    pub(crate) tombstones_on_delete: bool,
    pub(crate) context_headers: bool,
    pub(crate) unavailable_values: UnavailableValues,
    pub(crate) unavailable_value_placeholder: String,
    pub(crate) key: Encoding,
    pub(crate) value: Encoding,
    pub(crate) shape: Shape,
    pub(crate) debezium_version: DebeziumVersion,
    pub(crate) flat: FlatForm,
    pub(crate) missing_not_null: MissingNotNull,
    pub(crate) null_with_default: NullWithDefault,
}

#[derive(Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a table")]
pub(crate) struct RawEvents {
    pub(crate) operations: Vec<Operation>,
    pub(crate) skip_unchanged: bool,
    pub(crate) transactions: bool,
    pub(crate) transaction_topic: String,
    pub(crate) messages: Vec<PrefixPattern>,
    pub(crate) exclude_messages: Vec<PrefixPattern>,
    pub(crate) heartbeat_interval: ConfigDuration,
    pub(crate) heartbeat_topic_prefix: String,
    pub(crate) notification_topic: Option<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a table")]
pub(crate) struct RawRetry {
    pub(crate) backoff_min: ConfigDuration,
    pub(crate) backoff_max: ConfigDuration,
}

/// The schema of most applications.
const TABLES: &str = "public.*";
/// Long enough for an instance on a busy or migrated machine to keep its leadership; a takeover still takes only seconds.
const LEADER_TIMEOUT: ConfigDuration = ConfigDuration::new(LEADER_TIMEOUT_DEFAULT);
/// Read-ahead of the encoder. The walsender sends a few MB during one Kafka commit; a larger queue only costs memory.
const QUEUE_BYTES: ByteSize = ByteSize::new(4 << 20);
/// An idle publication retains at most ten seconds of other databases' WAL.
const IDLE_INTERVAL: ConfigDuration = ConfigDuration::from_secs(10);
/// A dropped publication or a slot at risk is detected within ten seconds, at the cost of one query.
const SLOT_CHECK_INTERVAL: ConfigDuration = ConfigDuration::from_secs(10);
/// More frequent commits queue in the broker, with a measured p99 of 20 ms instead of 3 ms.
const COMMIT_INTERVAL: ConfigDuration = ConfigDuration::from_millis(5);
/// A few milliseconds of a saturated stream: commits cost little, and the queue of the producer remains small.
const COMMIT_BYTES: ByteSize = ByteSize::new(4 << 20);
/// Default of the broker's `transaction.max.timeout.ms`: a larger value would be rejected, a smaller one would abort large
/// transactions unnecessarily.
const TRANSACTION_TIMEOUT: ConfigDuration = ConfigDuration::from_secs(900);
/// One session reads while the rows of the other are encoded; more sessions add load on the source.
const SNAPSHOT_PARALLELISM: u64 = 2;
/// Most databases are read within an hour, and a server tolerates the dead rows of an hour.
const SNAPSHOT_INITIAL_HOLD_MAX: ConfigDuration = ConfigDuration::from_secs(3600);
/// Delay of changes during one hold; streaming then catches up before the next hold.
const SNAPSHOT_HOLD_MAX: ConfigDuration = ConfigDuration::from_secs(10);
/// An `ALTER TABLE` usually holds its lock for milliseconds; a table that is locked longer is read later.
const SNAPSHOT_LOCK_TIMEOUT: ConfigDuration = ConfigDuration::from_secs(10);
/// A range of a table is read in less than a second; before Postgres 14, a large table is a single range.
const SNAPSHOT_CONDITION_TIMEOUT: ConfigDuration = ConfigDuration::from_secs(300);
/// Replay is off by default, because the retained WAL needs disk space on the source.
const REPLAY_RETENTION: ConfigDuration = ConfigDuration::from_secs(0);
/// Sixty positions per hour of replay; a replay can also start between them.
const HISTORY_INTERVAL: ConfigDuration = ConfigDuration::from_secs(60);
/// Time for an operator to respond and to find the cause.
const SLOT_MONITOR_WARN_WITHIN: ConfigDuration = ConfigDuration::from_secs(3600);
/// Debezium's default, which consumers expect.
const UNAVAILABLE_VALUE: &str = "__debezium_unavailable_value";
/// A server restarts within about a second.
const RETRY_BACKOFF_MIN: ConfigDuration = ConfigDuration::from_millis(500);
/// An unreachable server is retried twice a minute.
const RETRY_BACKOFF_MAX: ConfigDuration = ConfigDuration::from_secs(30);

impl Default for RawPostgres {
    fn default() -> Self {
        Self {
            url: None,
            password_file: None,
            slot: None,
            failover: RawFailover::Auto(RawAuto::Auto),
            leader_timeout: LEADER_TIMEOUT,
            publication: None,
            auto_create: RawAutoCreate::Both(true),
            tables: vec![TABLES.to_owned()],
            exclude: Vec::new(),
            partitions: Partitions::Root,
            logical_decoding_work_mem: None,
            queue_bytes: QUEUE_BYTES,
            idle_interval: IDLE_INTERVAL,
            slot_check_interval: SLOT_CHECK_INTERVAL,
        }
    }
}

impl Default for RawKafka {
    fn default() -> Self {
        Self {
            brokers: None,
            topic_prefix: None,
            delivery_guarantee: Guarantee::ExactlyOnce,
            commit_interval: COMMIT_INTERVAL,
            commit_bytes: COMMIT_BYTES,
            transaction_timeout: TRANSACTION_TIMEOUT,
            split_over_bytes: None,
            topics: RawTopics::default(),
            properties: BTreeMap::new(),
        }
    }
}

impl Default for RawTopics {
    fn default() -> Self {
        Self {
            auto_create: true,
            partitions: None,
            replication_factor: None,
            cleanup_policy: None,
            config: BTreeMap::new(),
        }
    }
}

impl Default for RawRegistry {
    fn default() -> Self {
        Self {
            url: None,
            username: None,
            password: None,
            password_file: None,
            bearer_token: None,
            bearer_token_file: None,
            ca_file: None,
            certificate_file: None,
            key_file: None,
            proxy: None,
            on_incompatible: OnIncompatible::default(),
            auto_register: true,
        }
    }
}

impl Default for RawSnapshot {
    fn default() -> Self {
        Self {
            mode: SnapshotMode::default(),
            tables: Vec::new(),
            filters: Vec::new(),
            parallelism: SNAPSHOT_PARALLELISM,
            initial_hold_max: SNAPSHOT_INITIAL_HOLD_MAX,
            hold_max: SNAPSHOT_HOLD_MAX,
            rows_per_second: None,
            bytes_per_second: None,
            lock_timeout: SNAPSHOT_LOCK_TIMEOUT,
            standby_url: None,
            user: None,
            password: None,
            password_file: None,
            signal_table: None,
            signal_topic: None,
            sql_conditions: Vec::new(),
            condition_timeout: SNAPSHOT_CONDITION_TIMEOUT,
        }
    }
}

impl Default for RawReplay {
    fn default() -> Self {
        Self {
            retention: REPLAY_RETENTION,
            retention_bytes: None,
            history_interval: HISTORY_INTERVAL,
        }
    }
}

impl Default for RawSlotMonitor {
    fn default() -> Self {
        Self {
            warn_within: SLOT_MONITOR_WARN_WITHIN,
            wal_disk_size: None,
        }
    }
}

impl Default for RawFormat {
    fn default() -> Self {
        Self {
            tombstones_on_delete: true,
            context_headers: true,
            unavailable_values: UnavailableValues::default(),
            unavailable_value_placeholder: UNAVAILABLE_VALUE.to_owned(),
            key: Encoding::default(),
            value: Encoding::default(),
            shape: Shape::default(),
            debezium_version: DebeziumVersion::default(),
            flat: FlatForm::default(),
            missing_not_null: MissingNotNull::default(),
            null_with_default: NullWithDefault::default(),
        }
    }
}

impl Default for RawEvents {
    fn default() -> Self {
        let events = EventsConfig::default();
        Self {
            operations: events.operations,
            skip_unchanged: events.skip_unchanged,
            transactions: events.transactions,
            transaction_topic: events.transaction_topic,
            messages: events.messages,
            exclude_messages: events.exclude_messages,
            heartbeat_interval: ConfigDuration::new(events.heartbeat_interval),
            heartbeat_topic_prefix: events.heartbeat_topic_prefix,
            notification_topic: events.notification_topic,
        }
    }
}

impl Default for RawRetry {
    fn default() -> Self {
        Self {
            backoff_min: RETRY_BACKOFF_MIN,
            backoff_max: RETRY_BACKOFF_MAX,
        }
    }
}
