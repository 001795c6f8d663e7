//! The connector: sessions one after another, until it is asked to stop or must not go on.

use std::future::Future;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;
use tracing::{error, info, warn};
use walcast_mapper::MapperConfig;

use crate::dead_letters::RefusedChanges;
use crate::edge::{SchemaRegistry, Sink, Source, Topics};
use crate::session::{Ended, Session};
use crate::{DeliveryConfig, DeliveryError, ErrorLabels, Metrics, Role, SnapshotRequests, Status};

/// From so many failures in a row on the lead is not kept.
const FAILURES_WHILE_LEADING: u32 = 2;

/// A connector over its four edges.
pub struct Connector<P, K, T, R> {
    /// Postgres.
    pub source: P,
    /// Kafka, as the place of records and of the checkpoint.
    pub sink: K,
    /// Kafka, as the place of topics.
    pub topics: T,
    /// The schema registry.
    pub registry: R,
    /// How records are named and shaped.
    pub mapper: MapperConfig,
    /// How they are delivered.
    pub config: DeliveryConfig,
    /// Figures, kept up to date.
    pub metrics: Metrics,
    /// What it is asked to do with existing rows while it runs.
    pub requests: SnapshotRequests,
    /// What the connector is doing, kept up to date.
    pub status: watch::Sender<Status>,
}

impl<P: Source, K: Sink, T: Topics, R: SchemaRegistry> Connector<P, K, T, R> {
    /// Streams until `stop` ends: then finishes the Kafka transaction or aborts it, confirms, and returns.
    ///
    /// Once it has streamed or stood by, a fault that time can heal is retried for ever from the checkpoint, with a growing
    /// delay. Before that every fault is returned: somebody is watching a start.
    ///
    /// Kafka or the registry that stay away cost the lead: an instance that stands by may be able to reach them.
    ///
    /// # Errors
    /// A fault that time cannot heal; another instance has taken over; going on could lose or double changes.
    pub async fn run(&mut self, stop: impl Future<Output = ()>) -> Result<(), DeliveryError> {
        let (stopping, stopped) = watch::channel(false);
        let sessions = async {
            let outcome = self.sessions(stopped).await;
            self.metrics.streaming.set(0);
            if let Err(error) = &outcome {
                self.status.send_replace(Status::Halted {
                    error: error.to_string(),
                });
            }
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
        let mut refused = RefusedChanges::default();
        loop {
            self.status.send_replace(Status::Connecting);
            let begun = Instant::now();
            let mut session = Session::new(self, stopped.clone(), !has_streamed, &mut refused);
            let outcome = session.run().await;
            let this_one_streamed = session.has_streamed();
            let this_one_lasted = this_one_streamed || session.has_stood_by();
            self.metrics.streaming.set(0);
            has_streamed |= this_one_streamed;
            is_start &= !this_one_lasted;
            // A session that streams and fails at once is one more failure in a row.
            let held = this_one_lasted && begun.elapsed() > self.config.retry_delay_max;
            failures = if held { 1 } else { failures + 1 };
            let fault = match outcome {
                Ok(Ended::AsAsked) => return Ok(()),
                Ok(Ended::Renewed) => {
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
            // Whatever Kafka refused for its size is met again, and is a dead letter then where its table has such.
            let is_remembered = self.config.dead_letters.is_used()
                && fault
                    .refused_record()
                    .is_some_and(|id| refused.remember(id, fault.to_string()));
            if is_start || fault.is_fenced() || !(fault.is_retryable() || is_remembered) {
                return Err(fault);
            }
            self.let_others_lead(&fault, failures);
            let delay = self.delay(failures);
            let delay_ms = u64::try_from(delay.as_millis()).unwrap_or(u64::MAX);
            warn!(error = %fault, attempt = failures, delay_ms, "stream ended, trying again from the checkpoint");
            self.status.send_replace(Status::Retrying {
                error: fault.to_string(),
                delay,
            });
            if was_stopped_within(stopped.clone(), delay).await {
                return Ok(());
            }
            self.metrics.reconnects.inc();
        }
    }

    /// A second failure in a row beyond the source is more than a restart. The lead is free until the next attempt; who
    /// stands by takes it within that time, and without anybody standing by nothing is lost.
    fn let_others_lead(&mut self, fault: &DeliveryError, failures: u32) {
        if matches!(fault, DeliveryError::Source(_)) {
            self.metrics.role.set(Role::None);
        } else if failures >= FAILURES_WHILE_LEADING {
            info!("the lead is given up until the next attempt: another instance may have more luck");
            self.metrics.role.set(Role::None);
            self.source.resign();
        }
    }

    /// Doubles with every failure in a row.
    fn delay(&self, failures: u32) -> Duration {
        let doublings = failures.saturating_sub(1).min(16);
        let delay = self.config.retry_delay_min.saturating_mul(1 << doublings);
        delay.min(self.config.retry_delay_max)
    }
}

async fn was_stopped_within(mut stopped: watch::Receiver<bool>, delay: Duration) -> bool {
    match tokio::time::timeout(delay, stopped.wait_for(|stop| *stop)).await {
        Ok(Ok(_)) => true,
        Ok(Err(_)) => {
            error!("nobody can ask to stop any more");
            true
        }
        Err(_) => false,
    }
}
