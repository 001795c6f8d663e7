//! Which existing rows are read, and how much of the source that may take.

use std::time::Duration;

use walcast_delivery::SnapshotConfig;

use super::Check;
use crate::config::raw::RawSnapshot;
use crate::config::{ConfigError, SnapshotSection};

/// More sessions than that would be in each other's way.
const CONNECTIONS_MAX: u64 = 64;
/// Less would be spent on taking the snapshot.
const WINDOW_MIN: Duration = Duration::from_secs(1);

impl Check<'_> {
    pub(super) fn snapshot(&self, raw: RawSnapshot) -> Result<SnapshotSection, ConfigError> {
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
        let filters = raw
            .filters
            .into_iter()
            .map(|filter| (filter.tables, filter.condition));
        Ok(SnapshotSection {
            connections: usize::try_from(connections).unwrap_or(1),
            filters: filters.collect(),
            delivery: SnapshotConfig {
                mode: raw.mode,
                tables: raw.tables,
                first_window: raw.first_window.as_duration(),
                window: raw.window.as_duration(),
                rows_per_second: raw.rows_per_second,
            },
        })
    }
}
