//! The configuration as it is written: one struct for each table, every field optional, defaults where one value suits all.
//!
//! `docs/configuration.md` describes every key; a test compares it with these structs.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use walcast_delivery::{DeadLetterRule, OnError, SnapshotMode};
use walcast_mapper::{
    ColumnSettings, Encoding, EventsConfig, FlatForm, KeyRule, MissingNotNull, NameSettings, NullWithDefault,
    Shape, TablePattern, TypeModes, UnavailableValues,
};
use walcast_postgres::LEAD_TIMEOUT_DEFAULT;

use super::age::Age;
use super::bytes::ByteSize;
use super::secret::Secret;

#[derive(Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a table")]
pub(crate) struct RawConfig {
    pub(crate) name: Option<String>,
    pub(crate) postgres: RawPostgres,
    pub(crate) kafka: RawKafka,
    pub(crate) registry: RawRegistry,
    pub(crate) dead_letters: RawDeadLetters,
    pub(crate) snapshot: RawSnapshot,
    pub(crate) replay: RawReplay,
    pub(crate) guard: RawGuard,
    pub(crate) format: RawFormat,
    pub(crate) types: TypeModes,
    pub(crate) names: NameSettings,
    pub(crate) columns: ColumnSettings,
    pub(crate) keys: Vec<KeyRule>,
    pub(crate) events: EventsConfig,
    pub(crate) retry: RawRetry,
    pub(crate) admin: RawAdmin,
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
    pub(crate) lead_timeout_ms: u64,
    pub(crate) publication: Option<String>,
    pub(crate) create: bool,
    pub(crate) tables: Vec<String>,
    pub(crate) exclude: Vec<String>,
    pub(crate) partitions: RawPartitions,
    pub(crate) logical_decoding_work_mem: Option<String>,
    pub(crate) queue_bytes: ByteSize,
    pub(crate) idle_interval_ms: u64,
    pub(crate) watch_interval_ms: u64,
}

/// `true`, `false` or `"auto"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged, expecting = "true, false or \"auto\"")]
pub(crate) enum RawFailover {
    Said(bool),
    Left(RawAuto),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum RawAuto {
    Auto,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum RawPartitions {
    Root,
    Leaf,
}

#[derive(Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a table")]
pub(crate) struct RawKafka {
    pub(crate) brokers: Option<String>,
    pub(crate) topic_prefix: Option<String>,
    pub(crate) delivery: RawGuarantee,
    pub(crate) commit_interval_ms: u64,
    pub(crate) commit_bytes: ByteSize,
    pub(crate) transaction_timeout_ms: u64,
    pub(crate) split_over_bytes: Option<ByteSize>,
    pub(crate) topics: RawTopics,
    pub(crate) properties: BTreeMap<String, toml::Value>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum RawGuarantee {
    ExactlyOnce,
    AtLeastOnce,
}

#[derive(Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a table")]
pub(crate) struct RawTopics {
    pub(crate) create: bool,
    pub(crate) partitions: Option<u32>,
    pub(crate) replication: Option<u32>,
    pub(crate) cleanup_policy: Option<String>,
    pub(crate) config: BTreeMap<String, toml::Value>,
}

#[derive(Default, Serialize, Deserialize)]
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
    pub(crate) on_incompatible: RawOnIncompatible,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum RawOnIncompatible {
    /// A person decides.
    #[default]
    Halt,
    NewSubject,
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
    pub(crate) connections: u64,
    pub(crate) first_window: Age,
    pub(crate) window: Age,
    pub(crate) rows_per_second: Option<u32>,
    pub(crate) bytes_per_second: Option<ByteSize>,
    pub(crate) lock_timeout: Age,
    #[serde(skip_serializing)]
    pub(crate) url: Option<Secret>,
    pub(crate) signal_table: Option<String>,
    pub(crate) signal_topic: Option<String>,
}

/// Which rows of some tables are read.
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
    pub(crate) keep: Age,
    pub(crate) keep_bytes: Option<ByteSize>,
    pub(crate) history_interval: Age,
}

#[derive(Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a table")]
pub(crate) struct RawGuard {
    pub(crate) warn_before: Age,
    pub(crate) wal_disk: Option<ByteSize>,
}

#[derive(Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a table")]
pub(crate) struct RawFormat {
    pub(crate) tombstones_on_delete: bool,
    pub(crate) unavailable_values: UnavailableValues,
    pub(crate) unavailable_value_placeholder: String,
    pub(crate) key: Encoding,
    pub(crate) value: Encoding,
    pub(crate) shape: Shape,
    pub(crate) flat: FlatForm,
    pub(crate) missing_not_null: MissingNotNull,
    pub(crate) null_with_default: NullWithDefault,
}

#[derive(Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a table")]
pub(crate) struct RawRetry {
    pub(crate) delay_min_ms: u64,
    pub(crate) delay_max_ms: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a table")]
pub(crate) struct RawAdmin {
    pub(crate) listen: String,
    #[serde(skip_serializing)]
    pub(crate) token: Option<Secret>,
    pub(crate) token_file: Option<PathBuf>,
    pub(crate) certificate_file: Option<PathBuf>,
    pub(crate) key_file: Option<PathBuf>,
    pub(crate) client_ca_file: Option<PathBuf>,
    pub(crate) url: Option<String>,
    pub(crate) ca_file: Option<PathBuf>,
}

#[derive(Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a table")]
pub(crate) struct RawLog {
    pub(crate) format: RawLogFormat,
    pub(crate) level: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum RawLogFormat {
    Human,
    Json,
}

/// The tables of an application that has not chosen another schema.
const TABLES: &str = "public.*";
/// A takeover takes seconds, and a busy machine or one that is moved keeps its lead.
const LEAD_TIMEOUT_MS: u64 = LEAD_TIMEOUT_DEFAULT.as_secs() * 1000;
/// What is read ahead of the encoder. The walsender sends a few MB in the time of one Kafka commit; more only costs memory.
const QUEUE_BYTES: ByteSize = ByteSize::new(4 << 20);
/// An idle publication holds at most ten seconds of the other databases' log back.
const IDLE_INTERVAL_MS: u64 = 10_000;
/// A dropped publication or a slot near its end is noticed within ten seconds; the look costs the server one query.
const WATCH_INTERVAL_MS: u64 = 10_000;
/// Commits closer together wait for one another in the broker: their p99 was 20 ms instead of 3.
const COMMIT_INTERVAL_MS: u64 = 5;
/// A few ms of a full stream: commits cost little then, and what waits in the producer stays small.
const COMMIT_BYTES: ByteSize = ByteSize::new(4 << 20);
/// `transaction.max.timeout.ms` of a broker that was left as shipped: more would be refused, less would abort large
/// transactions earlier than necessary.
const TRANSACTION_TIMEOUT_MS: u64 = 900_000;
/// One reads while the rows of the other are encoded; each more is a load on the source.
const SNAPSHOT_CONNECTIONS: u64 = 2;
/// Most databases are read within it, and a server keeps an hour's dead rows without harm.
const SNAPSHOT_FIRST_WINDOW: Age = Age::from_secs(3600);
/// Changes wait so long, and then have as much time to catch up as they need.
const SNAPSHOT_WINDOW: Age = Age::from_secs(10);
/// Whoever alters a table has it for milliseconds; a table that is held longer is read later.
const SNAPSHOT_LOCK_TIMEOUT: Age = Age::from_secs(10);
/// Replay is asked for, because the log it holds back costs disk on the source.
const REPLAY_KEEP: Age = Age::from_secs(0);
/// Sixty positions for an hour of replay; positions between them can be replayed from too.
const HISTORY_INTERVAL: Age = Age::from_secs(60);
/// Time to wake somebody up and to let them find out.
const GUARD_WARN_BEFORE: Age = Age::from_secs(3600);
/// Debezium's default, which consumers compare with.
const UNAVAILABLE_VALUE: &str = "__debezium_unavailable_value";
/// A server that restarts is back within a second or so.
const RETRY_DELAY_MIN_MS: u64 = 500;
/// Servers that stay away are asked twice a minute.
const RETRY_DELAY_MAX_MS: u64 = 30_000;
/// Figures may tell table names: nobody outside of the machine sees them unasked.
const ADMIN_LISTEN: &str = "127.0.0.1:8080";
/// State changes and what needs a person.
const LOG_LEVEL: &str = "info";

impl Default for RawPostgres {
    fn default() -> Self {
        Self {
            url: None,
            password_file: None,
            slot: None,
            failover: RawFailover::Left(RawAuto::Auto),
            lead_timeout_ms: LEAD_TIMEOUT_MS,
            publication: None,
            create: true,
            tables: vec![TABLES.to_owned()],
            exclude: Vec::new(),
            partitions: RawPartitions::Root,
            logical_decoding_work_mem: None,
            queue_bytes: QUEUE_BYTES,
            idle_interval_ms: IDLE_INTERVAL_MS,
            watch_interval_ms: WATCH_INTERVAL_MS,
        }
    }
}

impl Default for RawKafka {
    fn default() -> Self {
        Self {
            brokers: None,
            topic_prefix: None,
            delivery: RawGuarantee::ExactlyOnce,
            commit_interval_ms: COMMIT_INTERVAL_MS,
            commit_bytes: COMMIT_BYTES,
            transaction_timeout_ms: TRANSACTION_TIMEOUT_MS,
            split_over_bytes: None,
            topics: RawTopics::default(),
            properties: BTreeMap::new(),
        }
    }
}

impl Default for RawTopics {
    fn default() -> Self {
        Self {
            create: true,
            partitions: None,
            replication: None,
            cleanup_policy: None,
            config: BTreeMap::new(),
        }
    }
}

impl Default for RawSnapshot {
    fn default() -> Self {
        Self {
            mode: SnapshotMode::default(),
            tables: Vec::new(),
            filters: Vec::new(),
            connections: SNAPSHOT_CONNECTIONS,
            first_window: SNAPSHOT_FIRST_WINDOW,
            window: SNAPSHOT_WINDOW,
            rows_per_second: None,
            bytes_per_second: None,
            lock_timeout: SNAPSHOT_LOCK_TIMEOUT,
            url: None,
            signal_table: None,
            signal_topic: None,
        }
    }
}

impl Default for RawReplay {
    fn default() -> Self {
        Self {
            keep: REPLAY_KEEP,
            keep_bytes: None,
            history_interval: HISTORY_INTERVAL,
        }
    }
}

impl Default for RawGuard {
    fn default() -> Self {
        Self {
            warn_before: GUARD_WARN_BEFORE,
            wal_disk: None,
        }
    }
}

impl Default for RawFormat {
    fn default() -> Self {
        Self {
            tombstones_on_delete: true,
            unavailable_values: UnavailableValues::default(),
            unavailable_value_placeholder: UNAVAILABLE_VALUE.to_owned(),
            key: Encoding::default(),
            value: Encoding::default(),
            shape: Shape::default(),
            flat: FlatForm::default(),
            missing_not_null: MissingNotNull::default(),
            null_with_default: NullWithDefault::default(),
        }
    }
}

impl Default for RawRetry {
    fn default() -> Self {
        Self {
            delay_min_ms: RETRY_DELAY_MIN_MS,
            delay_max_ms: RETRY_DELAY_MAX_MS,
        }
    }
}

impl Default for RawAdmin {
    fn default() -> Self {
        Self {
            listen: ADMIN_LISTEN.to_owned(),
            token: None,
            token_file: None,
            certificate_file: None,
            key_file: None,
            client_ca_file: None,
            url: None,
            ca_file: None,
        }
    }
}

impl Default for RawLog {
    fn default() -> Self {
        Self {
            format: RawLogFormat::Human,
            level: LOG_LEVEL.to_owned(),
        }
    }
}
