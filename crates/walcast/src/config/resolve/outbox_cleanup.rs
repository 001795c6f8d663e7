//! Clean-up of outbox tables, from `[[outbox]]`.

use std::time::Duration;

use walcast_delivery::{CleanupAction, CleanupRule, OutboxCleanupConfig, OutboxSection};
use walcast_mapper::TableName;
use walcast_mapper::config::{Cleanup, InvalidUpdate, Operation, OutboxRule, OutboxSource};

use super::check::{Check, INTERVAL_MAX};
use crate::config::duration::ConfigDuration;
use crate::config::error::ConfigError;
use crate::config::raw::RawConfig;

/// Ten years.
const KEEP_MAX: Duration = Duration::from_secs(10 * 366 * 24 * 3600);
/// Each run is a few queries.
const INTERVAL_MIN: Duration = Duration::from_millis(100);
/// A statement must not hold locks for long.
const BATCH_MAX: u32 = 100_000;

impl Check<'_> {
    /// Clean-up of each section.
    pub(super) fn outbox_cleanup(&self, raw: &RawConfig) -> Result<OutboxCleanupConfig, ConfigError> {
        // Events are immutable: a table that is an event store is no outbox.
        let stores = raw.event_store.iter().map(|rule| OutboxSection {
            tables: rule.selected().clone(),
            cleanup: None,
        });
        let mut outboxes: Vec<OutboxSection> = stores.collect();
        for (index, rule) in raw.outbox.iter().enumerate() {
            let cleanup = match (rule.cleanup, &rule.tables) {
                (Some(_), None) => {
                    let key = format!("outbox[{index}].cleanup");
                    let wanted = "no clean-up for messages, which leave no rows";
                    return Err(self.wrong_at(&key, "outbox.cleanup", "set", wanted));
                }
                (Some(cleanup), Some(_)) => Some(self.cleanup(raw, index, rule, cleanup)?),
                (None, _) => None,
            };
            let Some(tables) = rule.tables.clone() else {
                continue;
            };
            if rule.source == OutboxSource::Poll {
                if cleanup.is_some() {
                    let key = format!("outbox[{index}].cleanup");
                    let wanted = "no clean-up where source is \"poll\", which marks or deletes rows itself (published)";
                    return Err(self.wrong_at(&key, "outbox.cleanup", "set", wanted));
                }
                continue;
            }
            outboxes.push(OutboxSection { tables, cleanup });
        }
        Ok(OutboxCleanupConfig {
            outboxes,
            filtered: raw
                .snapshot
                .filters
                .iter()
                .map(|filter| filter.tables.clone())
                .collect(),
        })
    }

    fn cleanup(
        &self,
        raw: &RawConfig,
        index: usize,
        rule: &OutboxRule,
        cleanup: Cleanup,
    ) -> Result<CleanupRule, ConfigError> {
        let wrong = |key: &str, manual, value: &str, wanted| {
            Err(self.wrong_at(&format!("outbox[{index}].{key}"), manual, value, wanted))
        };
        if !raw.events.operations.contains(&Operation::Create) {
            let wanted = "no clean-up, or [events] operations with \"create\": without it no event is sent";
            return wrong("cleanup", "outbox.cleanup", "set", wanted);
        }
        let duration = |text: &str, longest: Duration| {
            let parsed = text.parse::<ConfigDuration>().ok().map(ConfigDuration::get);
            parsed.filter(|duration| *duration <= longest)
        };
        let Some(keep) = duration(&rule.cleanup_after, KEEP_MAX) else {
            let wanted = "a duration with its unit, such as 12h or 7d";
            return wrong(
                "cleanup_after",
                "outbox.cleanup_after",
                &rule.cleanup_after,
                wanted,
            );
        };
        let interval = duration(&rule.cleanup_interval, INTERVAL_MAX.get());
        let Some(interval) = interval.filter(|interval| *interval >= INTERVAL_MIN) else {
            let wanted = "a duration between \"100ms\" and \"1h\"";
            return wrong(
                "cleanup_interval",
                "outbox.cleanup_interval",
                &rule.cleanup_interval,
                wanted,
            );
        };
        let batch = rule.cleanup_batch_rows;
        if !(1..=BATCH_MAX).contains(&batch) {
            let wanted = "1 to 100000 rows";
            return wrong(
                "cleanup_batch_rows",
                "outbox.cleanup_batch_rows",
                &batch.to_string(),
                wanted,
            );
        }
        if rule.cleanup_rows_per_second == 0 {
            let (key, manual) = ("cleanup_rows_per_second", "outbox.cleanup_rows_per_second");
            return wrong(key, manual, "0", "at least one row");
        }
        if rule.age_column.as_deref() == Some("") {
            return wrong("age_column", "outbox.age_column", "", "the name of a column");
        }
        let action = match cleanup {
            Cleanup::Delete => CleanupAction::Delete,
            Cleanup::DropPartition => CleanupAction::DropPartition,
            Cleanup::Mark if rule.mark_column.is_empty() => {
                return wrong("mark_column", "outbox.mark_column", "", "the name of a column");
            }
            Cleanup::Mark if rule.on_update != InvalidUpdate::Ignore => {
                let wanted = "\"ignore\" where cleanup is mark, which updates rows";
                let value = match rule.on_update {
                    InvalidUpdate::Warn => "warn",
                    InvalidUpdate::Error => "error",
                    InvalidUpdate::Fatal => "fatal",
                    InvalidUpdate::Ignore => "ignore",
                };
                return wrong("on_update", "outbox.on_update", value, wanted);
            }
            Cleanup::Mark => CleanupAction::Mark {
                column: rule.mark_column.clone(),
            },
            Cleanup::Archive => {
                let written = rule.archive_table.as_deref().unwrap_or_default();
                match table_name(written) {
                    Some(table) if raw.outbox.iter().any(|one| one.matches(&table)) => {
                        let wanted = "a table that no [[outbox]] selects: its rows would be events again";
                        return wrong("archive_table", "outbox.archive_table", written, wanted);
                    }
                    Some(table) => CleanupAction::Archive { table },
                    None => {
                        let wanted = "schema.table where cleanup is archive";
                        return wrong("archive_table", "outbox.archive_table", written, wanted);
                    }
                }
            }
        };
        Ok(CleanupRule {
            action,
            keep,
            age_column: rule.age_column.clone(),
            interval,
            batch_rows: batch,
            rows_per_second: rule.cleanup_rows_per_second,
            existing: rule.cleanup_existing,
        })
    }
}

/// Parses a table name as in the catalog: case-sensitive and unquoted.
fn table_name(text: &str) -> Option<TableName> {
    let (namespace, name) = text.split_once('.')?;
    (!namespace.is_empty() && !name.is_empty() && !name.contains('.')).then(|| TableName {
        namespace: namespace.to_owned(),
        name: name.to_owned(),
    })
}
