//! Outboxes that are polled, in `/status`.

use serde::Serialize;
use walcast_delivery::{Backlog, ConnectorState, GateHolder};
use walcast_mapper::TableName;

/// Backlog of an outbox.
#[derive(Debug, Serialize)]
pub(super) struct PolledOutboxReport {
    table: String,
    /// Rows whose events are to be sent, counted up to a limit.
    pending: u64,
    /// Age of the oldest of them; null if it is not known.
    oldest_age_seconds: Option<f64>,
    /// Oldest transaction that writes to the outbox, for which later rows wait; null if there is none.
    gate: Option<Holder>,
}

/// Transaction that writes to an outbox.
#[derive(Debug, Serialize)]
struct Holder {
    /// Null for a prepared transaction.
    pid: Option<i32>,
    /// Null before its first row.
    xid: Option<String>,
    age_seconds: Option<f64>,
    application_name: String,
    state: String,
    query_start: Option<String>,
    /// Statement with which an administrator ends the transaction.
    remedy: String,
}

impl Holder {
    fn of(holder: GateHolder) -> Self {
        Self {
            remedy: holder.remedy(),
            pid: holder.pid,
            xid: holder.xid,
            age_seconds: holder.age.map(|age| age.as_secs_f64()),
            application_name: holder.application_name,
            state: holder.state,
            query_start: holder.query_start,
        }
    }
}

/// Reports of the polled outboxes; empty for a connector that streams.
pub(super) fn reports(state: &ConnectorState) -> Vec<PolledOutboxReport> {
    let report = |(table, backlog): (TableName, Backlog)| PolledOutboxReport {
        table: table.to_string(),
        pending: backlog.pending,
        oldest_age_seconds: backlog.oldest.map(|age| age.as_secs_f64()),
        gate: backlog.gate.map(Holder::of),
    };
    state.backlog.read().into_iter().map(report).collect()
}
