//! State of a connector with the rates between two samples: the JSON of `walcast top --once --json`.

use std::collections::BTreeMap;

use serde::Serialize;

use super::sample::{Commits, Counts, Outbox, PolledOutbox, Positions, Sample, Verification};

/// State of a connector, with rates.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct View {
    pub(super) name: String,
    pub(super) state: String,
    pub(super) error: Option<String>,
    pub(super) role: String,
    pub(super) uptime_seconds: u64,
    pub(super) reconnects: u64,
    pub(super) lsn: Positions,
    pub(super) lag_bytes: u64,
    pub(super) lag_seconds: f64,
    pub(super) slot: Slot,
    /// Null without an earlier sample, as all rates are.
    pub(super) transactions_per_second: Option<f64>,
    pub(super) changes_per_second: Option<f64>,
    /// Mean duration of the Kafka commits between the samples; of all commits, if there were none.
    pub(super) commit_milliseconds: Option<f64>,
    pub(super) snapshot: Snapshot,
    pub(super) verification: Option<Verification>,
    pub(super) outboxes: Vec<Outbox>,
    pub(super) polled_outboxes: Vec<PolledOutbox>,
    pub(super) tables: Vec<Table>,
}

/// WAL that the slot retains, and the limit that is reached first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct Slot {
    pub(super) retained_bytes: u64,
    pub(super) written_bytes_per_second: Option<u64>,
    pub(super) limit: Option<String>,
    pub(super) headroom_bytes: Option<u64>,
    pub(super) time_to_limit_seconds: Option<u64>,
    pub(super) at_risk: bool,
}

/// Reading of existing rows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct Snapshot {
    pub(super) state: String,
    pub(super) tables_remaining: usize,
    pub(super) rows_per_second: Option<u64>,
    pub(super) seconds_remaining: Option<u64>,
}

/// Captured table.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(super) struct Table {
    pub(super) table: String,
    pub(super) state: String,
    pub(super) changes: u64,
    pub(super) changes_per_second: Option<f64>,
    pub(super) dead_letters: u64,
}

impl View {
    /// State at `sample`, with rates since `earlier`. Counters of a connector that was restarted in between begin at zero: then there
    /// are no rates.
    pub(super) fn of(sample: &Sample, earlier: Option<&Sample>) -> Self {
        let status = &sample.status;
        let earlier = earlier.filter(|earlier| {
            earlier.status.transactions <= status.transactions
                && earlier.status.uptime_seconds <= status.uptime_seconds
        });
        let seconds = earlier.map(|earlier| sample.taken_at.duration_since(earlier.taken_at).as_secs_f64());
        let rate = |now: u64, before: u64| {
            let seconds = seconds.filter(|seconds| *seconds > 0.0)?;
            Some(float(now.saturating_sub(before)) / seconds)
        };
        let before = earlier.map(|earlier| &earlier.status);
        let tables = tables(sample, |table, now| {
            rate(now, before.map_or(0, |before| of_table(&before.changes, table)))
        });
        Self {
            name: status.name.clone(),
            state: status.state.clone(),
            error: status.error.clone(),
            role: status.role.is.clone(),
            uptime_seconds: status.uptime_seconds,
            reconnects: status.reconnects,
            lsn: status.lsn.clone(),
            lag_bytes: status.lag_bytes,
            lag_seconds: status.lag_seconds,
            slot: slot(sample),
            transactions_per_second: rate(
                status.transactions,
                before.map_or(0, |before| before.transactions),
            ),
            changes_per_second: rate(
                total(&status.changes),
                before.map_or(0, |before| total(&before.changes)),
            ),
            commit_milliseconds: commit(sample.commits, earlier.map(|earlier| earlier.commits)),
            snapshot: Snapshot {
                state: status.snapshot.state.clone(),
                tables_remaining: status.snapshot.tables_remaining,
                rows_per_second: status.snapshot.rows_per_second,
                seconds_remaining: status.snapshot.seconds_remaining,
            },
            verification: status.verification.clone(),
            outboxes: status.outboxes.clone(),
            polled_outboxes: status.polled_outboxes.clone(),
            tables,
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "rates are shown with few digits")]
fn float(number: u64) -> f64 {
    number as f64
}

fn total(counts: &Counts) -> u64 {
    counts.values().flat_map(BTreeMap::values).sum()
}

fn of_table(counts: &Counts, table: &str) -> u64 {
    counts.get(table).map_or(0, |counts| counts.values().sum())
}

/// Captured tables, and tables with changes that are not listed any more.
fn tables(sample: &Sample, rate: impl Fn(&str, u64) -> Option<f64>) -> Vec<Table> {
    let status = &sample.status;
    let listed = status.tables.iter();
    let mut states: BTreeMap<&str, &str> = listed
        .map(|one| (one.table.as_str(), one.state.as_str()))
        .collect();
    for table in status.changes.keys().chain(status.dead_letters.keys()) {
        states.entry(table).or_default();
    }
    let table = |(table, state): (&str, &str)| {
        let changes = of_table(&status.changes, table);
        Table {
            table: table.to_owned(),
            state: state.to_owned(),
            changes,
            changes_per_second: rate(table, changes),
            dead_letters: of_table(&status.dead_letters, table),
        }
    };
    states.into_iter().map(table).collect()
}

/// The limit that is reached first: the one with the least time, or else with the least headroom.
fn slot(sample: &Sample) -> Slot {
    let wal = sample.status.wal.as_ref();
    let limits = wal.into_iter().flat_map(|wal| &wal.limits);
    let first = limits.min_by_key(|limit| {
        (
            limit.time_to_limit_seconds.unwrap_or(u64::MAX),
            limit.headroom_bytes.unwrap_or(u64::MAX),
        )
    });
    Slot {
        retained_bytes: sample.status.slot_retained_bytes,
        written_bytes_per_second: wal.and_then(|wal| wal.written_bytes_per_second),
        limit: first.map(|limit| limit.limit.clone()),
        headroom_bytes: first.and_then(|limit| limit.headroom_bytes),
        time_to_limit_seconds: first.and_then(|limit| limit.time_to_limit_seconds),
        at_risk: first.is_some_and(|limit| limit.at_risk),
    }
}

fn commit(now: Commits, before: Option<Commits>) -> Option<f64> {
    let between = before.map(|before| Commits {
        count: now.count - before.count,
        seconds: now.seconds - before.seconds,
    });
    let commits = between.filter(|between| between.count > 0.0).unwrap_or(now);
    (commits.count > 0.0).then(|| commits.seconds / commits.count * 1000.0)
}
