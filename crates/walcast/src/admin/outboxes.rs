//! Outboxes, as `/status` reports them.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;
use walcast_delivery::{CleanupView, ConnectorState, DeadLetterLabels, Metrics};
use walcast_mapper::dead_letter::DeadLetterReason;

/// Outbox table: its relay lag and its clean-up.
#[derive(Debug, Serialize)]
pub(super) struct OutboxReport {
    table: String,
    /// Events that were read and are not in Kafka yet.
    pending: u64,
    /// Age of the oldest event that is not in Kafka, at most: that of the oldest transaction that waits.
    oldest_age_seconds: f64,
    /// Events in Kafka since the process started.
    published: u64,
    /// Dead letters since the process started.
    dead: u64,
    /// Null without clean-up.
    cleanup: Option<CleanupReport>,
}

/// Clean-up since the process started.
#[derive(Debug, Serialize)]
struct CleanupReport {
    rows: u64,
    partitions: u64,
    errors: u64,
    /// End of the last run without an error, in UTC.
    last_run: Option<String>,
    error: Option<String>,
    /// What keeps rows from being removed.
    waits_for: Option<String>,
}

impl CleanupReport {
    fn of(view: CleanupView) -> Self {
        let time = view.last_run.and_then(|time| {
            let time = Timestamp::from_second(time.unix_micros() / 1_000_000);
            time.ok()
        });
        Self {
            rows: view.rows,
            partitions: view.partitions,
            errors: view.errors,
            last_run: time.map(|time| time.to_string()),
            error: view.error,
            waits_for: view.waits_for,
        }
    }
}

/// Reports of all outboxes of which an event was read, or that have clean-up, by name.
pub(super) fn reports(state: &ConnectorState, metrics: &Metrics) -> Vec<OutboxReport> {
    let views = state.outbox_views().into_iter();
    let views: BTreeMap<String, _> = views
        .map(|(table, view, age)| (table.to_string(), (view, age)))
        .collect();
    let dead = |table: &str| -> u64 {
        let reasons = DeadLetterReason::ALL.into_iter().map(DeadLetterReason::as_str);
        let counts = reasons.filter_map(|reason| {
            let labels = DeadLetterLabels {
                table: table.to_owned(),
                reason,
            };
            metrics.dead_letters.get(&labels).map(|counter| counter.get())
        });
        counts.sum()
    };
    views
        .into_iter()
        .map(|(table, (view, age))| OutboxReport {
            pending: view.pending,
            oldest_age_seconds: age.as_secs_f64(),
            published: view.published,
            dead: dead(&table),
            cleanup: view.cleanup.map(CleanupReport::of),
            table,
        })
        .collect()
}
