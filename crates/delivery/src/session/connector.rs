//! The connector: sessions one after another, until the connector stops or must not continue.

use std::future::Future;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;
use tracing::{error, info, warn};
use walcast_mapper::{MapError, MapperConfig, Violation};
use walcast_pgoutput::PgTimestamp;

use crate::config::DeliveryConfig;
use crate::describe::Describe;
use crate::encode::dead_letters::rejected_changes::RejectedChanges;
use crate::error::DeliveryError;
use crate::metrics::{ErrorLabels, Metrics};
use crate::port_error::Detail;
use crate::ports::checkpoint_store::CheckpointStore;
use crate::ports::registry::SchemaRegistry;
use crate::ports::sink::Sink;
use crate::ports::source::Source;
use crate::ports::topics::Topics;
use crate::position::checkpoint::{Checkpoint, CheckpointUpdate, HeldBy};
use crate::session::ports::Ports;
use crate::session::retry_delay::{RetryJitter, retry_delay};
use crate::session::status::Status;
use crate::session::streaming::{Ended, Outcome, Session};
use crate::snapshot::control::SnapshotRequests;
use crate::state::ConnectorState;
use crate::state::role::Role;

/// Number of failures in a row from which leadership is released.
const FAILURES_WHILE_LEADING: u32 = 2;

/// A connector over its ports.
pub struct Connector<P, C, K, T, R> {
    /// Postgres.
    pub source: P,
    /// Where the checkpoint is read without disturbing another instance.
    pub checkpoints: C,
    /// Kafka, as the place of records, which are committed together with the checkpoint.
    pub sink: K,
    /// Kafka, as the place of topics.
    pub topics: T,
    /// The schema registry.
    pub registry: R,
    /// How records are named and shaped.
    pub mapper: MapperConfig,
    /// How they are delivered.
    pub config: DeliveryConfig,
    /// Counters and histograms, kept up to date.
    pub metrics: Metrics,
    /// What the connector is doing and how far it is, kept up to date.
    pub state: ConnectorState,
    /// What it is asked to do with existing rows while it runs.
    pub requests: SnapshotRequests,
    /// How errors are described in the process log, the status and dead letters.
    pub describe: Describe,
    /// Random part of the delays before retries.
    pub retry_jitter: RetryJitter,
}

impl<P: Source, C: CheckpointStore, K: Sink, T: Topics, R: SchemaRegistry> Connector<P, C, K, T, R> {
    /// Streams until `stop` ends: then finishes the Kafka transaction or aborts it, confirms, and returns.
    ///
    /// Once the connector has streamed or stood by, a retryable error is retried for ever from the checkpoint, with a growing delay
    /// that is random in part.
    /// Before that every error is returned, because an operator is watching the start, except for errors that pass by themselves
    /// ([`PortError::passes_by_itself`](crate::PortError::passes_by_itself)).
    ///
    /// A connector that cannot reach Kafka or the registry releases leadership: a standby instance may be able to reach them.
    ///
    /// # Errors
    /// An error that is not retryable; another instance has taken over; continuing could lose or double changes.
    pub async fn run(&mut self, stop: impl Future<Output = ()>) -> Result<(), DeliveryError> {
        let (stopping, stopped) = watch::channel(false);
        let sessions = async {
            let outcome = self.sessions(stopped).await;
            self.state.status.set(match &outcome {
                Ok(()) => Status::Stopped,
                Err(error) => Status::Halted {
                    error: self.describe.error(error),
                },
            });
            outcome
        };
        let mut sessions = std::pin::pin!(sessions);
        tokio::select! {
            biased;
            outcome = &mut sessions => return outcome,
            () = stop => {}
        }
        info!("stopping");
        stopping.send_replace(true);
        sessions.await
    }

    async fn sessions(&mut self, stopped: watch::Receiver<bool>) -> Result<(), DeliveryError> {
        let mut has_streamed = false;
        let mut is_start = true;
        let mut failures: u32 = 0;
        let mut refused = RejectedChanges::default();
        loop {
            self.state.status.set(Status::Connecting);
            let begun = Instant::now();
            let session = Session::new(self.ports(), stopped.clone(), !has_streamed, &mut refused);
            let Outcome {
                ended,
                has_stood_by,
                has_streamed: this_one_streamed,
            } = session.run().await;
            let this_one_lasted = this_one_streamed || has_stood_by;
            has_streamed |= this_one_streamed;
            is_start &= !this_one_lasted;
            // A session that streams and fails at once is one more failure in a row.
            let held = this_one_lasted && begun.elapsed() > self.config.retry_backoff_max;
            failures = if held { 1 } else { failures + 1 };
            let fault = match ended {
                Ok(Ended::Stopped) => return Ok(()),
                Ok(Ended::Restart) => {
                    failures = 0;
                    continue;
                }
                Err(fault) => fault,
            };
            self.metrics
                .errors
                .get_or_create(&ErrorLabels {
                    origin: fault.origin(),
                })
                .inc();
            // The stream sends a change again whose record or topic Kafka rejected. It becomes a dead letter then, or its table is
            // quarantined, if so configured.
            let is_remembered = self.config.dead_letters.is_used()
                && match fault.detail() {
                    Some(Detail::RejectedRecord { id, reason }) => {
                        refused.remember(id, reason, self.describe.error(&fault))
                    }
                    Some(Detail::TopicUnusable { topic, is_refused }) => {
                        refused.remember_topic(topic, self.describe.error(&fault), is_refused)
                    }
                    _ => false,
                };
            let ends_start = is_start && !fault.passes_by_itself();
            if ends_start || fault.is_fenced() || !(fault.is_retryable() || is_remembered) {
                if let Some(held_by) = held_by(&fault) {
                    self.hold(held_by).await;
                }
                return Err(fault);
            }
            self.let_others_lead(&fault, failures);
            let delay = self.delay(failures);
            let error = self.describe.error(&fault);
            let delay_ms = u64::try_from(delay.as_millis()).unwrap_or(u64::MAX);
            warn!(
                error,
                attempt = failures,
                delay_ms,
                "stream ended, trying again from the checkpoint"
            );
            self.state.status.set(Status::Retrying {
                error,
                delay: Some(delay),
            });
            if was_stopped_within(stopped.clone(), delay).await {
                return Ok(());
            }
            self.metrics.reconnects.inc();
        }
    }

    /// Stores the change before which the connector halts. Where that fails, the next start sends the event as one with an unknown
    /// predecessor, as it does after any other end.
    async fn hold(&mut self, held_by: HeldBy) {
        let sink = &mut self.sink;
        let storing = async {
            let log = sink.open().await?;
            let Some(current) = log.current else {
                return Ok(());
            };
            let update = CheckpointUpdate::of(Checkpoint {
                held_by: Some(held_by),
                written_at_unix_micros: PgTimestamp::now().unix_micros(),
                ..current
            });
            sink.commit(&update).await
        };
        if let Err(error) = storing.await.map_err(DeliveryError::Sink) {
            let error = self.describe.error(&error);
            warn!(
                error,
                "the halt before an event is not stored: the next start sends the event"
            );
        }
    }

    fn ports(&mut self) -> Ports<'_, P, C, K, T, R> {
        Ports {
            source: &mut self.source,
            checkpoints: &self.checkpoints,
            sink: &mut self.sink,
            topics: &mut self.topics,
            registry: &mut self.registry,
            mapper: &self.mapper,
            config: &self.config,
            metrics: &self.metrics,
            state: &self.state,
            requests: &mut self.requests,
            describe: self.describe,
        }
    }

    /// A second failure in a row of Kafka or the registry is more than a restart. Leadership is free until the next attempt: a standby
    /// instance acquires it within that time; without a standby instance nothing is lost.
    fn let_others_lead(&mut self, fault: &DeliveryError, failures: u32) {
        if matches!(fault, DeliveryError::Source(_)) {
            self.state.role.set(Role::None);
        } else if failures >= FAILURES_WHILE_LEADING {
            info!("leadership is released until the next attempt: another instance may be able to deliver");
            self.state.role.set(Role::None);
            self.source.step_down();
        }
    }

    /// Delay before the next session.
    fn delay(&mut self, failures: u32) -> Duration {
        let (min, max) = (self.config.retry_backoff_min, self.config.retry_backoff_max);
        retry_delay(failures, min, max, &mut self.retry_jitter)
    }
}

/// Event before which the connector halts, and whose predecessor the next start does not know. Any other violation is recognized again.
fn held_by(fault: &DeliveryError) -> Option<HeldBy> {
    let DeliveryError::Map {
        xid,
        commit_lsn,
        source,
        ..
    } = fault
    else {
        return None;
    };
    let MapError::EventStoreViolation {
        table,
        violation: Violation::Gap { .. } | Violation::Doubled { .. },
        ..
    } = source.as_ref()
    else {
        return None;
    };
    Some(HeldBy {
        namespace: table.namespace.clone(),
        table: table.name.clone(),
        commit_lsn: *commit_lsn,
        xid: xid.as_u32(),
        error: source.to_string(),
        is_accepted: false,
    })
}

async fn was_stopped_within(mut stopped: watch::Receiver<bool>, delay: Duration) -> bool {
    match tokio::time::timeout(delay, stopped.wait_for(|stop| *stop)).await {
        Ok(Ok(_)) => true,
        Ok(Err(_)) => {
            error!("the sender of the stop signal is gone");
            true
        }
        Err(_) => false,
    }
}
