//! Event stores, as `/status` reports them.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;
use walcast_delivery::{ConnectorState, EventStoreView, Metrics, ReportedViolation};

use super::changes;
use super::instant::instant;

/// Events and violations of an event store since the process started.
#[derive(Debug, Default, Serialize)]
pub(super) struct EventStoreReport {
    /// Number of events by whether the event before them in their stream is known: `known`, `unknown`.
    events: BTreeMap<String, u64>,
    violations: u64,
    last_violation: Option<ViolationReport>,
}

/// Violation of the order of a stream, or of the immutability of an event.
#[derive(Debug, Serialize)]
struct ViolationReport {
    /// `gap`, `doubled`, `update`, `delete`, `truncate` or `upcast`.
    kind: &'static str,
    xid: u32,
    commit_lsn: String,
    lsn: String,
    /// Commit time of the transaction, in UTC.
    committed: Option<String>,
    /// The violation with its stream and its version.
    error: String,
}

impl ViolationReport {
    fn of(reported: ReportedViolation) -> Self {
        Self {
            kind: reported.violation.kind(),
            xid: reported.xid.as_u32(),
            commit_lsn: reported.commit_lsn.to_string(),
            lsn: reported.lsn.to_string(),
            committed: instant(reported.commit_time),
            error: reported.error,
        }
    }
}

/// Event stores of which the stream has brought an event or a violation, by table.
pub(super) fn event_stores(
    state: &ConnectorState,
    metrics: &Metrics,
) -> Result<BTreeMap<String, EventStoreReport>, fmt::Error> {
    let mut reports = BTreeMap::new();
    for (table, events) in changes::events_by_table(&metrics.event_store_events)? {
        let report: &mut EventStoreReport = reports.entry(table).or_default();
        report.events = events;
    }
    for (table, view) in state.event_stores.read() {
        let EventStoreView {
            violations,
            last_violation,
        } = view;
        let report = reports.entry(table.to_string()).or_default();
        report.violations = violations;
        report.last_violation = last_violation.map(ViolationReport::of);
    }
    Ok(reports)
}
