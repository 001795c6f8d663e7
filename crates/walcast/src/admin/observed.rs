//! Readiness and status report of a running connector.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;
use walcast_delivery::{BlockingTransaction, ForeignHolder, KnownPositions, RoleView, Status};
use walcast_pgoutput::Lsn;

use super::changes;
use super::event_stores::{EventStoreReport, event_stores};
use super::instant::instant;
use super::outboxes::{self, OutboxReport};
use super::partitions::PartitionsChanged;
use super::polled_outboxes::{self, PolledOutboxReport};
use super::reading::ExistingRows;
use super::tables::{TableReport, reports};
use super::wal::{Drift, Wal};
use crate::bookmark_report::BookmarkReport;
use crate::connector_handle::{ConnectorHandle, Identity};
use crate::last_verification::VerificationReport;

/// Observer of a running connector.
#[derive(Clone, Copy, Debug)]
pub(super) struct Observed<'a>(&'a ConnectorHandle);

/// Response to `/readyz`.
#[derive(Debug, Serialize)]
pub(super) struct Readiness {
    pub(super) ready: bool,
    state: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

impl Readiness {
    /// Reason why the connector is not ready, or its state.
    pub(super) fn why(&self) -> String {
        self.reason.clone().unwrap_or_else(|| self.state.to_owned())
    }
}

/// Response to `/status`.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    name: String,
    version: &'static str,
    state: &'static str,
    error: Option<String>,
    /// Transactions that the creation of a slot waits for.
    waits_for: Vec<AwaitedTransaction>,
    role: Leadership,
    uptime_seconds: u64,
    slot: String,
    publication: String,
    topic_prefix: String,
    lsn: Positions,
    lag_bytes: u64,
    lag_seconds: f64,
    slot_retained_bytes: u64,
    /// Null while WAL is not sampled: the instance is not the leader, or the server is unreachable.
    wal: Option<Wal>,
    /// Null while bookmarks are not inspected.
    bookmarks: Option<Vec<BookmarkReport>>,
    outboxes: Vec<OutboxReport>,
    publication_drift: Vec<Drift>,
    /// End of WAL at the latest inspection of the publication; null before the first one.
    publication_inspected: Option<String>,
    partition_changes: Vec<PartitionsChanged>,
    tables: Vec<TableReport>,
    /// Event stores by table.
    event_stores: BTreeMap<String, EventStoreReport>,
    transactions: u64,
    changes: changes::Counts,
    dead_letters: changes::Counts,
    /// Changes that were skipped because their table is quarantined.
    quarantined_changes: changes::Counts,
    snapshot: ExistingRows,
    /// Newest certificate of `walcast verify`, as of some seconds ago; null if there is none, or it was not read yet.
    verification: Option<VerificationReport>,
    /// Reason for which the certificate cannot be read.
    verification_error: Option<String>,
    /// Outboxes that are polled.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    polled_outboxes: Vec<PolledOutboxReport>,
    reconnects: u64,
}

/// Role of the instance among instances with the same name; times in UTC.
#[derive(Debug, Serialize)]
pub(super) struct Leadership {
    is: &'static str,
    since: Option<String>,
    takeovers: u64,
    last_takeover: Option<String>,
    /// Session that holds the leader lock and is no instance of the connector; null otherwise.
    blocked_by: Option<Holder>,
}

/// Session that holds the leader lock.
#[derive(Debug, Serialize)]
struct Holder {
    /// Null for a prepared transaction.
    pid: Option<i32>,
    role: String,
    application_name: String,
    mode: String,
    /// Command with which an administrator of the database ends the session.
    remedy: String,
}

impl Holder {
    fn of(holder: ForeignHolder) -> Self {
        Self {
            remedy: holder.remedy(),
            pid: holder.pid,
            role: holder.role,
            application_name: holder.application_name,
            mode: holder.mode,
        }
    }
}

/// Transaction that the creation of a slot waits for.
#[derive(Debug, Serialize)]
pub(super) struct AwaitedTransaction {
    transaction: String,
    /// Statement with which an administrator ends the transaction.
    remedy: String,
}

impl AwaitedTransaction {
    /// Transaction with its remedy.
    pub(super) fn of(transaction: &BlockingTransaction) -> Self {
        Self {
            transaction: transaction.to_string(),
            remedy: transaction.remedy(),
        }
    }
}

impl Leadership {
    /// Role as the state has it.
    pub(super) fn of(view: RoleView) -> Self {
        Self {
            is: view.role.word(),
            since: view.since.and_then(instant),
            takeovers: view.takeovers,
            last_takeover: view.last_takeover.and_then(instant),
            blocked_by: view.foreign_holder.map(Holder::of),
        }
    }
}

/// Positions in the notation of Postgres; null if unknown.
#[derive(Debug, Serialize)]
pub(super) struct Positions {
    received: Option<String>,
    produced: Option<String>,
    checkpointed: Option<String>,
    confirmed: Option<String>,
    server: Option<String>,
}

impl Positions {
    /// Positions as the state has them.
    pub(super) fn of(positions: KnownPositions) -> Self {
        let known = |lsn: Lsn| lsn.is_valid().then(|| lsn.to_string());
        Self {
            received: known(positions.received),
            produced: known(positions.produced),
            checkpointed: known(positions.checkpointed),
            confirmed: known(positions.confirmed),
            server: known(positions.server_end),
        }
    }
}

impl<'a> Observed<'a> {
    /// Observes a connector through its handle.
    pub(super) fn new(handle: &'a ConnectorHandle) -> Self {
        Self(handle)
    }

    /// Whether changes flow. With `standby_is_ready` a standby is ready as well, unless the session that holds the leader lock is
    /// no instance of the connector: then no instance delivers.
    pub(super) fn readiness(self, standby_is_ready: bool) -> Readiness {
        let state = &self.0.state;
        let status = state.status.read();
        let foreign = state.role.read().foreign_holder;
        let ready = match status {
            Status::Streaming => true,
            Status::Standby => standby_is_ready && foreign.is_none(),
            Status::Connecting | Status::Retrying { .. } | Status::Halted { .. } | Status::Stopped => false,
        };
        let reason = match &status {
            Status::Streaming => None,
            Status::Stopped => Some("the connector was stopped".to_owned()),
            Status::Connecting => Some(match state.slot_creation.read().first() {
                Some(awaited) => format!(
                    "the creation of the slot waits for {awaited} to end; {}",
                    awaited.remedy()
                ),
                None => "connecting, checking and setting up".to_owned(),
            }),
            Status::Standby if let Some(holder) = &foreign => Some(format!("{holder}; {}", holder.remedy())),
            Status::Standby => Some("another instance with the same name is the leader".to_owned()),
            Status::Retrying { error, .. } | Status::Halted { error } => Some(error.clone()),
        };
        Readiness {
            ready,
            state: status.word(),
            reason,
        }
    }

    /// Progress of reading existing rows.
    pub(super) fn existing_rows(self) -> ExistingRows {
        ExistingRows::new(&self.0.state.snapshot.read(), self.0.metrics.snapshot_rows.get())
    }

    /// Report of the connector for `/status`.
    pub(super) fn report(
        self,
        verification: Result<Option<VerificationReport>, String>,
    ) -> Result<Report, fmt::Error> {
        let ConnectorHandle {
            identity,
            state,
            metrics,
            started,
            ..
        } = self.0;
        let Identity {
            name,
            slot,
            publication,
            topic_prefix,
        } = identity.clone();
        let status = state.status.read();
        let lag = state.lag();
        let last_sample = state.wal.last();
        let (verification, verification_error) = match verification {
            Ok(verification) => (verification, None),
            Err(reason) => (None, Some(reason)),
        };
        Ok(Report {
            name,
            version: env!("CARGO_PKG_VERSION"),
            state: status.word(),
            error: status.error().map(str::to_owned),
            waits_for: state
                .slot_creation
                .read()
                .iter()
                .map(AwaitedTransaction::of)
                .collect(),
            role: Leadership::of(state.role.read()),
            uptime_seconds: started.elapsed().as_secs(),
            slot,
            publication,
            topic_prefix,
            lsn: Positions::of(state.positions.read()),
            lag_bytes: lag.bytes,
            lag_seconds: lag.time.as_secs_f64(),
            slot_retained_bytes: last_sample.map_or(0, |view| view.look.retained_bytes()),
            wal: state.wal.read().as_ref().map(Wal::of),
            bookmarks: state.bookmarks.read().current.as_ref().map(BookmarkReport::all),
            outboxes: outboxes::reports(state, metrics),
            publication_drift: state.drift.read().iter().map(Drift::of).collect(),
            publication_inspected: state.drift.inspected_at().map(|lsn| lsn.to_string()),
            partition_changes: state
                .partitions
                .read()
                .iter()
                .map(PartitionsChanged::of)
                .collect(),
            tables: reports(state),
            event_stores: event_stores(state, metrics)?,
            transactions: metrics.transactions.get(),
            changes: changes::by_table(&metrics.changes)?,
            dead_letters: changes::dead_letters_by_table(&metrics.dead_letters)?,
            quarantined_changes: changes::by_table(&metrics.quarantined_changes)?,
            snapshot: self.existing_rows(),
            verification,
            verification_error,
            polled_outboxes: polled_outboxes::reports(state),
            reconnects: metrics.reconnects.get(),
        })
    }
}
