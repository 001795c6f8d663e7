//! The configuration: what is written in the file, checked until later code cannot hold a bad one.
//!
//! ```text
//! text ──Document──▶ RawConfig ──resolve──▶ Config
//!        unknown keys,             names, bounds, secrets from files,
//!        ${VARIABLES}              each error with its line
//! ```

mod age;
mod bytes;
mod document;
mod error;
mod expand;
mod exposed;
mod fields;
#[cfg(test)]
mod manual;
mod raw;
mod resolve;
mod secret;
mod tables;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use walcast_delivery::{
    DeadLetterConfig, Guarantee, OnIncompatible, Partitions, ReplayConfig, SnapshotConfig,
};
use walcast_mapper::{
    ColumnSettings, Encoding, EventsConfig, FlatForm, KeyRule, MissingNotNull, NameSettings, NullWithDefault,
    Shape, TablePattern, TypeModes, UnavailableValues,
};
use walcast_postgres::{ConnectConfig, Environment, Failover};

pub(crate) use self::error::ConfigError;
pub(crate) use self::exposed::Exposed;
pub(crate) use self::secret::Secret;
pub(crate) use self::tables::{Keys, tables};

use self::document::Document;

/// A configuration that can be used.
#[derive(Debug)]
pub(crate) struct Config {
    /// Who the connector is: transactional id, checkpoint key, and what slot, publication and topics are named after.
    pub(crate) name: String,
    pub(crate) postgres: PostgresSection,
    pub(crate) kafka: KafkaSection,
    /// `None` where nothing is encoded as Avro.
    pub(crate) registry: Option<RegistrySection>,
    pub(crate) dead_letters: DeadLetterConfig,
    pub(crate) snapshot: SnapshotSection,
    pub(crate) replay: ReplayConfig,
    pub(crate) guard: GuardSection,
    pub(crate) format: FormatSection,
    pub(crate) types: TypeModes,
    pub(crate) names: NameSettings,
    pub(crate) columns: ColumnSettings,
    pub(crate) keys: Vec<KeyRule>,
    pub(crate) events: EventsConfig,
    pub(crate) retry: RetrySection,
    pub(crate) admin: AdminSection,
    pub(crate) log: LogSection,
    /// What others can get at that they should not.
    pub(crate) exposed: Vec<Exposed>,
}

#[derive(Debug)]
pub(crate) struct PostgresSection {
    pub(crate) connect: ConnectConfig,
    pub(crate) slot: String,
    pub(crate) failover: Failover,
    pub(crate) lead_timeout: Duration,
    pub(crate) publication: String,
    pub(crate) create: bool,
    pub(crate) tables: Vec<TablePattern>,
    pub(crate) exclude: Vec<TablePattern>,
    pub(crate) partitions: Partitions,
    pub(crate) logical_decoding_work_mem: Option<String>,
    pub(crate) queue_bytes: usize,
    pub(crate) idle_interval: Duration,
    pub(crate) watch_interval: Duration,
}

#[derive(Debug)]
pub(crate) struct KafkaSection {
    pub(crate) brokers: String,
    pub(crate) topic_prefix: String,
    pub(crate) guarantee: Guarantee,
    pub(crate) commit_interval: Duration,
    pub(crate) commit_bytes: usize,
    pub(crate) transaction_timeout: Duration,
    pub(crate) split_over_bytes: Option<u64>,
    pub(crate) topics: TopicsSection,
    pub(crate) properties: Properties,
}

#[derive(Debug)]
pub(crate) struct TopicsSection {
    pub(crate) create: bool,
    /// `None`: the broker's default.
    pub(crate) partitions: Option<u32>,
    /// `None`: the broker's default.
    pub(crate) replication: Option<u32>,
    pub(crate) config: BTreeMap<String, String>,
}

/// librdkafka properties; `Debug` shows the names only, because any value may be a secret.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct Properties(pub(crate) BTreeMap<String, String>);

impl fmt::Debug for Properties {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

#[derive(Debug)]
pub(crate) struct SnapshotSection {
    pub(crate) connections: usize,
    pub(crate) filters: Vec<(TablePattern, String)>,
    pub(crate) lock_timeout: Duration,
    pub(crate) signal_topic: Option<String>,
    /// The standby that rows are read from.
    pub(crate) reader: Option<ConnectConfig>,
    pub(crate) delivery: SnapshotConfig,
}

#[derive(Debug)]
pub(crate) struct RegistrySection {
    pub(crate) url: String,
    pub(crate) auth: RegistryAuth,
    /// Whom we believe; `None`: the authorities that the system knows.
    pub(crate) ca_file: Option<PathBuf>,
    pub(crate) identity: Option<Identity>,
    pub(crate) on_incompatible: OnIncompatible,
}

/// A certificate and its private key, as PEM files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) certificate_file: PathBuf,
    pub(crate) key_file: PathBuf,
}

#[derive(Debug)]
pub(crate) struct AdminSection {
    /// Where figures and state are served; `None`: nowhere.
    pub(crate) listen: Option<SocketAddr>,
    /// What whoever asks for something there has to show.
    pub(crate) token: Option<Secret>,
    /// What is shown to whoever asks; `None`: there is no TLS.
    pub(crate) identity: Option<Identity>,
    /// The authorities of those who may connect at all; `None`: nobody is asked for a certificate.
    pub(crate) client_ca_file: Option<PathBuf>,
    /// Where commands find the connector; `None`: where it listens.
    pub(crate) url: Option<String>,
    /// Whom commands believe; `None`: the authorities that the system knows.
    pub(crate) ca_file: Option<PathBuf>,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum RegistryAuth {
    None,
    Basic { username: String, password: Secret },
    Bearer { token: Secret },
}

#[derive(Debug)]
pub(crate) struct FormatSection {
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

#[derive(Debug)]
pub(crate) struct GuardSection {
    /// Zero: nothing is warned of.
    pub(crate) warn_before: Duration,
    /// `None`: how large it is is not known.
    pub(crate) wal_disk: Option<u64>,
}

#[derive(Debug)]
pub(crate) struct RetrySection {
    pub(crate) delay_min: Duration,
    pub(crate) delay_max: Duration,
}

#[derive(Debug)]
pub(crate) struct LogSection {
    pub(crate) format: LogFormat,
    /// In the language of `RUST_LOG`.
    pub(crate) level: String,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum LogFormat {
    /// For people.
    Human,
    /// One JSON object a line.
    Json,
}

/// What a configuration takes from outside of its file.
pub(crate) struct Surroundings<'a> {
    /// Environment variables.
    pub(crate) lookup: expand::Lookup<'a>,
    /// Those of them that libpq knows.
    pub(crate) postgres: Environment,
}

impl Config {
    /// Reads a file.
    ///
    /// # Errors
    /// It cannot be read, or what it says cannot be used.
    pub(crate) fn load(path: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path).map_err(|source| ConfigError::Read {
            path: path.to_owned(),
            source,
        })?;
        let surroundings = Surroundings {
            lookup: &|name| std::env::var(name),
            postgres: Environment::of_process(),
        };
        let mut config = Self::parse(&path.display().to_string(), &text, &surroundings)?;
        config.exposed.retain(|exposed| exposed.is_so(path));
        Ok(config)
    }

    /// Reads `text`, which came from `file`.
    ///
    /// # Errors
    /// What it says cannot be used.
    pub(crate) fn parse(
        file: &str,
        text: &str,
        surroundings: &Surroundings<'_>,
    ) -> Result<Self, ConfigError> {
        let (document, raw) = Document::read(file, text, surroundings.lookup)?;
        resolve::resolve(&document, raw, &surroundings.postgres)
    }
}

/// Reads `text` as a configuration file, for tests of what writes one.
#[cfg(test)]
pub(crate) fn parse_for_test(text: &str, lookup: expand::Lookup<'_>) -> Result<Config, ConfigError> {
    let surroundings = Surroundings {
        lookup,
        postgres: Environment::default(),
    };
    Config::parse("walcast.toml", text, &surroundings)
}
