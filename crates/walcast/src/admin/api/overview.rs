//! `/api/v1/overview`.

use axum::response::Json;
use serde::Serialize;
use walcast_delivery::{ConnectorState, Metrics};

use super::sampling;
use crate::admin::addressed::Addressed;
use crate::admin::instant::instant;
use crate::admin::observed::{AwaitedTransaction, Leadership, Observed, Positions};
use crate::admin::wal::{Limit, Wal};
use crate::connector_handle::{ConnectorHandle, Identity};
use crate::samples::{INTERVAL, Sample, Throughput};

/// State of the connector.
#[derive(Debug, Serialize)]
pub(super) struct Overview {
    name: String,
    version: &'static str,
    uptime_seconds: u64,
    slot: String,
    publication: String,
    topic_prefix: String,
    state: &'static str,
    ready: bool,
    reason: Option<String>,
    waits_for: Vec<AwaitedTransaction>,
    role: Leadership,
    lag: Lag,
    throughput: Option<Throughput>,
    lsn: Positions,
    totals: Totals,
    slot_health: Option<Wal>,
    nearest_limit: Option<Limit>,
    last_error: Option<LastError>,
    plot: Plot,
}

#[derive(Debug, Serialize)]
struct Lag {
    seconds: f64,
    bytes: u64,
}

/// Counts since the process started.
#[derive(Debug, Serialize)]
struct Totals {
    changes: u64,
    transactions: u64,
    dead_letters: u64,
    reconnects: u64,
}

#[derive(Debug, Serialize)]
struct LastError {
    text: String,
    at: Option<String>,
    is_current: bool,
}

#[derive(Debug, Serialize)]
struct Plot {
    interval_seconds: u64,
    samples: Vec<Sample>,
}

pub(super) async fn overview(Addressed(connector): Addressed) -> Json<Overview> {
    Json(Overview::of(&connector))
}

impl Overview {
    pub(super) fn of(connector: &ConnectorHandle) -> Self {
        let ConnectorHandle {
            identity,
            state,
            metrics,
            started,
            samples,
            ..
        } = connector;
        let Identity {
            name,
            slot,
            publication,
            topic_prefix,
        } = identity.clone();
        let readiness = Observed::new(connector).readiness(false);
        let view = state.wal.read();
        let lag = state.lag();
        Self {
            name,
            version: env!("CARGO_PKG_VERSION"),
            uptime_seconds: started.elapsed().as_secs(),
            slot,
            publication,
            topic_prefix,
            state: state.status.read().word(),
            ready: readiness.ready,
            reason: (!readiness.ready).then(|| readiness.why()),
            waits_for: state
                .slot_creation
                .read()
                .iter()
                .map(AwaitedTransaction::of)
                .collect(),
            role: Leadership::of(state.role.read()),
            lag: Lag {
                seconds: lag.time.as_secs_f64(),
                bytes: lag.bytes,
            },
            throughput: samples.throughput(),
            lsn: Positions::of(state.positions.read()),
            totals: Totals::of(metrics),
            nearest_limit: view.as_ref().and_then(Limit::nearest),
            slot_health: view.as_ref().map(Wal::of),
            last_error: LastError::of(state),
            plot: Plot {
                interval_seconds: INTERVAL.as_secs(),
                samples: samples.plot(),
            },
        }
    }
}

impl Totals {
    fn of(metrics: &Metrics) -> Self {
        Self {
            changes: sampling::changes(metrics).values().sum(),
            transactions: metrics.transactions.get(),
            dead_letters: sampling::dead_letters(metrics)
                .values()
                .flat_map(|one| one.values())
                .sum(),
            reconnects: metrics.reconnects.get(),
        }
    }
}

impl LastError {
    fn of(state: &ConnectorState) -> Option<Self> {
        let last = state.status.last_error()?;
        Some(Self {
            is_current: state.status.read().error() == Some(last.text.as_str()),
            text: last.text,
            at: instant(last.at),
        })
    }
}
