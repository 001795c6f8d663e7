//! Which existing rows are read, and how much of the source that may take.

use std::path::PathBuf;
use std::time::Duration;

use walcast_delivery::SnapshotConfig;
use walcast_mapper::TableName;
use walcast_postgres::{ConnectConfig, Environment};

use super::{Check, Fault};
use crate::config::bytes::ByteSize;
use crate::config::raw::RawSnapshot;
use crate::config::{ConfigError, SnapshotSection};

/// More sessions than that would be in each other's way.
const CONNECTIONS_MAX: u64 = 64;
/// Shorter waits would be over before an `ALTER TABLE` is.
const LOCK_TIMEOUT_MIN: Duration = Duration::from_secs(1);
/// Changes wait meanwhile.
const LOCK_TIMEOUT_MAX: Duration = Duration::from_secs(3600);
/// Less would be spent on taking the snapshot.
const WINDOW_MIN: Duration = Duration::from_secs(1);

impl Check<'_> {
    /// The standby that rows are read from, with the password of the primary where it has none of its own.
    pub(super) fn reader(
        &self,
        raw: &RawSnapshot,
        password_file: Option<&PathBuf>,
        environment: &Environment,
    ) -> Result<Option<ConnectConfig>, ConfigError> {
        let Some(url) = &raw.url else { return Ok(None) };
        let connect = ConnectConfig::parse(url.reveal(), environment)
            .map_err(|source| self.document.error_at("snapshot.url", Fault::Url { source }))?;
        Ok(Some(match password_file {
            Some(path) => connect.with_password_file(path.clone()),
            None => connect,
        }))
    }

    pub(super) fn snapshot(
        &self,
        raw: RawSnapshot,
        reader: Option<ConnectConfig>,
    ) -> Result<SnapshotSection, ConfigError> {
        let connections = self.range("snapshot.connections", raw.connections, 1, CONNECTIONS_MAX)?;
        for (key, age) in [
            ("snapshot.first_window", raw.first_window),
            ("snapshot.window", raw.window),
        ] {
            self.rule(
                key,
                &age.to_string(),
                "at least \"1s\"",
                age.as_duration() >= WINDOW_MIN,
            )?;
        }
        if let Some(rows) = raw.rows_per_second {
            self.range("snapshot.rows_per_second", rows.into(), 1, u32::MAX.into())?;
        }
        for filter in &raw.filters {
            let holds = !filter.condition.trim().is_empty();
            let wanted = "a condition in SQL such as \"placed > '2024-01-01'\"";
            self.rule("snapshot.filters.where", &filter.condition, wanted, holds)?;
        }
        if let Some(bytes) = raw.bytes_per_second {
            self.range("snapshot.bytes_per_second", bytes.as_u64(), 1024, u64::MAX)?;
        }
        let lock_timeout = raw.lock_timeout.as_duration();
        self.rule(
            "snapshot.lock_timeout",
            &raw.lock_timeout.to_string(),
            "between \"1s\" and \"1h\"",
            (LOCK_TIMEOUT_MIN..=LOCK_TIMEOUT_MAX).contains(&lock_timeout),
        )?;
        let signal_table = match &raw.signal_table {
            None => None,
            Some(text) => {
                let table = table_name(text);
                let wanted = "schema.table, such as \"public.debezium_signal\"";
                self.rule("snapshot.signal_table", text, wanted, table.is_some())?;
                table
            }
        };
        if let Some(topic) = &raw.signal_topic {
            self.topic_name("snapshot.signal_topic", topic)?;
        }
        let filters = raw
            .filters
            .into_iter()
            .map(|filter| (filter.tables, filter.condition));
        Ok(SnapshotSection {
            connections: usize::try_from(connections).unwrap_or(1),
            filters: filters.collect(),
            lock_timeout,
            signal_topic: raw.signal_topic,
            reader,
            delivery: SnapshotConfig {
                mode: raw.mode,
                tables: raw.tables,
                first_window: raw.first_window.as_duration(),
                window: raw.window.as_duration(),
                rows_per_second: raw.rows_per_second,
                bytes_per_second: raw.bytes_per_second.map(ByteSize::as_u64),
                signal_table,
            },
        })
    }
}

/// As the catalog has it: upper and lower case count, and there are no quotes.
fn table_name(text: &str) -> Option<TableName> {
    let (namespace, name) = text.split_once('.')?;
    let holds = !namespace.is_empty() && !name.is_empty() && !name.contains('.');
    holds.then(|| TableName {
        namespace: namespace.to_owned(),
        name: name.to_owned(),
    })
}
