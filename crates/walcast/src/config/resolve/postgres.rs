//! Configuration of the Postgres source, from `[postgres]` and from what concerns the source in other tables.

use walcast_delivery::{SnapshotConfig, SnapshotMode};
use walcast_mapper::Secret;
use walcast_mapper::pattern::TablePattern;
use walcast_postgres::{ConnectConfig, Environment, Failover, PostgresConfig};

use super::check::Check;
use super::names::Names;
use crate::config::bytes::ByteSize;
use crate::config::duration::ConfigDuration;
use crate::config::error::{ConfigError, Fault};
use crate::config::raw::{RawAuto, RawConfig, RawFailover, RawPostgres};

/// A queue smaller than one read of the socket would limit the throughput.
const QUEUE_BYTES_MIN: u64 = 64 << 10;
/// A leader is often delayed by a few hundred milliseconds.
const LEADER_TIMEOUT_MIN: ConfigDuration = ConfigDuration::from_secs(1);
/// No instance leads for this time after a leader has stopped responding.
const LEADER_TIMEOUT_MAX: ConfigDuration = ConfigDuration::from_secs(600);

impl Check<'_> {
    pub(super) fn postgres(
        &self,
        raw: &RawConfig,
        names: &Names,
        snapshot: &SnapshotConfig,
        environment: &Environment,
    ) -> Result<PostgresConfig, ConfigError> {
        let postgres = &raw.postgres;
        let example = "url = \"postgres://walcast@db:5432/shop?sslmode=verify-full&sslrootcert=system\" under [postgres]";
        let url = self.required("postgres.url", postgres.url.as_ref(), example)?;
        let leader_timeout = self.duration(
            "postgres.leader_timeout",
            postgres.leader_timeout,
            LEADER_TIMEOUT_MIN,
            LEADER_TIMEOUT_MAX,
        )?;
        Ok(PostgresConfig {
            connect: self.connect("postgres.url", url, postgres, environment)?,
            name: names.connector.clone(),
            slot: names.slot.clone(),
            failover: match postgres.failover {
                RawFailover::Explicit(true) => Failover::Always,
                RawFailover::Explicit(false) => Failover::Never,
                RawFailover::Auto(RawAuto::Auto) => Failover::Auto,
            },
            creates_missing: postgres.auto_create.creates(),
            leader_timeout,
            publication: names.publication.clone(),
            tables: self.captured(&postgres.tables)?,
            exclude: self.patterns("postgres.exclude", &postgres.exclude)?,
            keyed: raw.keys.iter().map(|rule| rule.tables.clone()).collect(),
            partitions: postgres.partitions,
            operations: raw.events.operations.clone(),
            queue_bytes: self.memory("postgres.queue_bytes", postgres.queue_bytes, QUEUE_BYTES_MIN)?,
            logical_decoding_work_mem: self.work_mem(postgres.logical_decoding_work_mem.as_ref())?,
            snapshot_tables: (snapshot.mode != SnapshotMode::Never).then(|| snapshot.tables.clone()),
            snapshot_parallelism: self.parallelism(raw.snapshot.parallelism)?,
            snapshot_lock_timeout: self.lock_timeout(raw.snapshot.lock_timeout)?,
            reader: self.reader(raw, environment)?,
            signal_table: snapshot.signal_table.clone(),
            wal_disk_size: self.wal_disk_size(raw.slot_monitor.wal_disk_size)?,
            snapshot_filters: self.filters(&raw.snapshot.filters)?,
            reading_role: self.reading_role(&raw.snapshot, environment)?,
            condition_timeout: self.condition_timeout(raw.snapshot.condition_timeout)?,
        })
    }

    /// Connection parameters of `url`, with the password file of `[postgres]`.
    pub(super) fn connect(
        &self,
        key: &str,
        url: &Secret,
        raw: &RawPostgres,
        environment: &Environment,
    ) -> Result<ConnectConfig, ConfigError> {
        let connect = ConnectConfig::parse(url.reveal(), environment)
            .map_err(|source| self.document.error_at(key, Fault::Url { source }))?;
        Ok(match &raw.password_file {
            Some(path) => connect.with_password_file(path.clone()),
            None => connect,
        })
    }

    fn captured(&self, tables: &[String]) -> Result<Vec<TablePattern>, ConfigError> {
        let key = "postgres.tables";
        let wanted = "at least one pattern such as \"public.*\"";
        self.rule(key, "[]", wanted, !tables.is_empty())?;
        self.patterns(key, tables)
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

    fn work_mem(&self, raw: Option<&String>) -> Result<Option<String>, ConfigError> {
        if let Some(work_mem) = raw {
            let holds = work_mem.ends_with(['B', 'k', 'M', 'G']) && work_mem.parse::<ByteSize>().is_ok();
            let wanted = "a size with its unit, as in postgresql.conf, such as \"256MB\"";
            self.rule("postgres.logical_decoding_work_mem", work_mem, wanted, holds)?;
        }
        Ok(raw.cloned())
    }
}
