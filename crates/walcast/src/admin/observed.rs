//! What is shown of a running connector.

use std::fmt;
use std::time::Instant;

use jiff::Timestamp;
use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;
use serde::Serialize;
use tokio::sync::watch;
use walcast_delivery::{Metrics, PositionGauge, RoleBoard, Status};
use walcast_pgoutput::Lsn;

use super::wal::{Drift, Wal};
use super::{ExistingRows, changes};

/// Who is observed; nothing of it is secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) name: String,
    pub(crate) slot: String,
    pub(crate) publication: String,
    pub(crate) topic_prefix: String,
}

/// A running connector, as seen from outside.
#[derive(Debug)]
pub(crate) struct Observed {
    identity: Identity,
    metrics: Metrics,
    status: watch::Receiver<Status>,
    registry: Registry,
    started: Instant,
}

/// Whether changes flow.
#[derive(Debug, Serialize)]
pub(crate) struct Readiness {
    pub(crate) ready: bool,
    state: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

impl Readiness {
    /// Why not, or what it does.
    pub(super) fn why(&self) -> String {
        self.reason.clone().unwrap_or_else(|| self.state.to_owned())
    }
}

/// The answer to `/status`.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    name: String,
    version: &'static str,
    state: &'static str,
    error: Option<String>,
    role: Leadership,
    uptime_seconds: u64,
    slot: String,
    publication: String,
    topic_prefix: String,
    lsn: Positions,
    lag_bytes: u64,
    lag_ms: i64,
    slot_retained_bytes: u64,
    /// Null while nobody looks: the connector does not lead, or the server is away.
    wal: Option<Wal>,
    drift: Vec<Drift>,
    transactions: u64,
    changes: changes::Counts,
    dead_letters: changes::Counts,
    snapshot: ExistingRows,
    reconnects: u64,
}

/// What the instance is to others of its name; times in UTC.
#[derive(Debug, Serialize)]
struct Leadership {
    is: &'static str,
    since: Option<String>,
    takeovers: u64,
    last_takeover: Option<String>,
}

impl Leadership {
    fn of(board: &RoleBoard) -> Self {
        Self {
            is: board.role().word(),
            since: board.since().and_then(instant),
            takeovers: board.takeovers(),
            last_takeover: board.last_takeover().and_then(instant),
        }
    }
}

fn instant(unix_seconds: u64) -> Option<String> {
    let seconds = i64::try_from(unix_seconds).ok()?;
    let instant = Timestamp::from_second(seconds).ok()?;
    Some(instant.to_string())
}

/// Positions as Postgres prints them; null before there is one.
#[derive(Debug, Serialize)]
struct Positions {
    received: Option<String>,
    produced: Option<String>,
    checkpointed: Option<String>,
    confirmed: Option<String>,
    server: Option<String>,
}

impl Observed {
    /// Watches a connector by its figures and its state.
    pub(crate) fn new(identity: Identity, metrics: Metrics, status: watch::Receiver<Status>) -> Self {
        let labels = [("connector".into(), identity.name.clone().into())];
        let mut registry = Registry::with_prefix_and_labels("walcast", labels.into_iter());
        metrics.register(&mut registry);
        Self {
            identity,
            metrics,
            status,
            registry,
            started: Instant::now(),
        }
    }

    /// The figures in OpenMetrics' text form.
    pub(crate) fn exposition(&self) -> Result<String, fmt::Error> {
        let mut text = String::new();
        encode(&mut text, &self.registry)?;
        Ok(text)
    }

    /// Whether changes flow; where `standby_will_do`, a standby is ready as well.
    pub(crate) fn readiness(&self, standby_will_do: bool) -> Readiness {
        let status = self.status.borrow();
        let streams = self.metrics.streaming.get() == 1;
        let ready = streams || (standby_will_do && *status == Status::Standby);
        let reason = match &*status {
            _ if streams => None,
            Status::Streaming => Some("the stream has just ended".to_owned()),
            Status::Connecting => Some("it connects, checks and sets up".to_owned()),
            Status::Standby => Some("another instance with the same name leads".to_owned()),
            Status::Retrying { error, .. } | Status::Halted { error } => Some(error.clone()),
        };
        Readiness {
            ready,
            state: status.word(),
            reason,
        }
    }

    pub(crate) fn existing_rows(&self) -> ExistingRows {
        ExistingRows::of(&self.metrics)
    }

    pub(crate) fn report(&self) -> Result<Report, fmt::Error> {
        let status = self.status.borrow().clone();
        let Identity {
            name,
            slot,
            publication,
            topic_prefix,
        } = self.identity.clone();
        let metrics = &self.metrics;
        Ok(Report {
            name,
            version: env!("CARGO_PKG_VERSION"),
            state: status.word(),
            error: status.error().map(str::to_owned),
            role: Leadership::of(&metrics.role),
            uptime_seconds: self.started.elapsed().as_secs(),
            slot,
            publication,
            topic_prefix,
            lsn: Positions {
                received: position(&metrics.received_lsn),
                produced: position(&metrics.produced_lsn),
                checkpointed: position(&metrics.checkpointed_lsn),
                confirmed: position(&metrics.confirmed_lsn),
                server: position(&metrics.server_lsn),
            },
            lag_bytes: metrics.lag_bytes.get(),
            lag_ms: metrics.lag_ms.get(),
            slot_retained_bytes: metrics.wal.retained_bytes.get(),
            wal: metrics.wal_board.read().as_ref().map(Wal::of),
            drift: metrics.drift.read().iter().map(Drift::of).collect(),
            transactions: metrics.transactions.get(),
            changes: changes::by_table(&metrics.changes)?,
            dead_letters: changes::letters_by_table(&metrics.dead_letters)?,
            snapshot: self.existing_rows(),
            reconnects: metrics.reconnects.get(),
        })
    }
}

fn position(gauge: &PositionGauge) -> Option<String> {
    let lsn = Lsn::new(gauge.get());
    lsn.is_valid().then(|| lsn.to_string())
}
