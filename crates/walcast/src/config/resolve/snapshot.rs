//! `[snapshot]`: what delivery reads, and how the source reads it.

use std::time::Duration;

use walcast_delivery::SnapshotConfig;
use walcast_delivery::condition::{Condition, Dialect};
use walcast_mapper::TableName;
use walcast_mapper::pattern::TablePattern;
use walcast_postgres::{ConnectConfig, Environment, ReadingRole};

use super::check::Check;
use crate::config::bytes::ByteSize;
use crate::config::duration::ConfigDuration;
use crate::config::error::{ConfigError, Fault};
use crate::config::raw::{RawConfig, RawFilter, RawSnapshot};

/// More sessions would contend for the source's resources.
const PARALLELISM_MAX: u64 = 64;
/// A shorter timeout would end before a typical `ALTER TABLE`.
const LOCK_TIMEOUT_MIN: Duration = Duration::from_secs(1);
/// Changes are delayed during the wait.
const LOCK_TIMEOUT_MAX: Duration = Duration::from_secs(3600);
/// A range of a table is read in less than a second.
const CONDITION_TIMEOUT_MIN: Duration = Duration::from_secs(1);
/// A condition that takes longer than a day is probably a mistake.
const CONDITION_TIMEOUT_MAX: Duration = Duration::from_secs(86_400);
/// A shorter hold would end before the snapshot is created.
const HOLD_MIN: Duration = Duration::from_secs(1);

impl Check<'_> {
    pub(super) fn snapshot(&self, raw: &RawSnapshot) -> Result<SnapshotConfig, ConfigError> {
        if let Some(rows) = raw.rows_per_second {
            self.range("snapshot.rows_per_second", rows.into(), 1, u32::MAX.into())?;
        }
        if let Some(bytes) = raw.bytes_per_second {
            self.range("snapshot.bytes_per_second", bytes.as_u64(), 1024, u64::MAX)?;
        }
        Ok(SnapshotConfig {
            mode: raw.mode,
            tables: raw.tables.clone(),
            initial_hold_max: self.hold("snapshot.initial_hold_max", raw.initial_hold_max)?,
            hold_max: self.hold("snapshot.hold_max", raw.hold_max)?,
            rows_per_second: raw.rows_per_second,
            bytes_per_second: raw.bytes_per_second.map(ByteSize::as_u64),
            signal_table: self.signal_table(raw.signal_table.as_deref())?,
            sql_conditions: raw.sql_conditions.iter().copied().collect(),
        })
    }

    fn hold(&self, key: &'static str, raw: ConfigDuration) -> Result<Duration, ConfigError> {
        let hold = raw.get();
        self.rule(key, &raw.to_string(), "at least \"1s\"", hold >= HOLD_MIN)?;
        Ok(hold)
    }

    fn signal_table(&self, raw: Option<&str>) -> Result<Option<TableName>, ConfigError> {
        let Some(text) = raw else {
            return Ok(None);
        };
        let table = table_name(text);
        let wanted = "schema.table, such as \"public.debezium_signal\"";
        self.rule("snapshot.signal_table", text, wanted, table.is_some())?;
        Ok(table)
    }

    /// Connection to the standby that rows are read from; the default of its password file is that of the primary.
    pub(super) fn reader(
        &self,
        raw: &RawConfig,
        environment: &Environment,
    ) -> Result<Option<ConnectConfig>, ConfigError> {
        let url = raw.snapshot.standby_url.as_ref();
        url.map(|url| self.connect("snapshot.standby_url", url, &raw.postgres, environment))
            .transpose()
    }

    /// Role that reads rows; `None`: the role of the connection strings.
    pub(super) fn reading_role(
        &self,
        raw: &RawSnapshot,
        environment: &Environment,
    ) -> Result<Option<ReadingRole>, ConfigError> {
        let Some(user) = &raw.user else {
            for (key, is_set) in [
                ("snapshot.password", raw.password.is_some()),
                ("snapshot.password_file", raw.password_file.is_some()),
            ] {
                let wanted = "set together with [snapshot] user only";
                self.rule(key, "[redacted]", wanted, !is_set)?;
            }
            return Ok(None);
        };
        self.rule("snapshot.user", user, "the name of a role", !user.is_empty())?;
        let (password, file) = (raw.password.clone(), raw.password_file.clone());
        Ok(Some(ReadingRole::new(user.clone(), password, file, environment)))
    }

    /// Conditions of `[[snapshot.filters]]`, which may contain any SQL.
    pub(super) fn filters(&self, raw: &[RawFilter]) -> Result<Vec<(TablePattern, Condition)>, ConfigError> {
        let parse = |filter: &RawFilter| {
            let key = "snapshot.filters.where";
            let condition = Condition::parse(&filter.condition, Dialect::Sql)
                .map_err(|source| self.document.error_at(key, Fault::Condition { key, source }))?;
            Ok((filter.tables.clone(), condition))
        };
        raw.iter().map(parse).collect()
    }

    pub(super) fn parallelism(&self, raw: u64) -> Result<usize, ConfigError> {
        let parallelism = self.range("snapshot.parallelism", raw, 1, PARALLELISM_MAX)?;
        Ok(usize::try_from(parallelism).unwrap_or(1))
    }

    pub(super) fn lock_timeout(&self, raw: ConfigDuration) -> Result<Duration, ConfigError> {
        let timeout = raw.get();
        let holds = (LOCK_TIMEOUT_MIN..=LOCK_TIMEOUT_MAX).contains(&timeout);
        let wanted = "between \"1s\" and \"1h\"";
        self.rule("snapshot.lock_timeout", &raw.to_string(), wanted, holds)?;
        Ok(timeout)
    }

    pub(super) fn condition_timeout(&self, raw: ConfigDuration) -> Result<Duration, ConfigError> {
        let timeout = raw.get();
        let holds = (CONDITION_TIMEOUT_MIN..=CONDITION_TIMEOUT_MAX).contains(&timeout);
        let wanted = "between \"1s\" and \"1d\"";
        self.rule("snapshot.condition_timeout", &raw.to_string(), wanted, holds)?;
        Ok(timeout)
    }
}

/// Parses a table name as in the catalog: case-sensitive and unquoted.
fn table_name(text: &str) -> Option<TableName> {
    let (namespace, name) = text.split_once('.')?;
    let holds = !namespace.is_empty() && !name.is_empty() && !name.contains('.');
    holds.then(|| TableName {
        namespace: namespace.to_owned(),
        name: name.to_owned(),
    })
}
