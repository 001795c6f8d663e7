//! Connector whose outboxes are polled: sessions one after another, until it stops or must not continue.

use std::future::Future;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};
use tracing::{info, warn};
use walcast_mapper::MapperConfig;

use crate::config::DeliveryConfig;
use crate::describe::Describe;
use crate::error::DeliveryError;
use crate::metrics::{ErrorLabels, Metrics};
use crate::polling::hand_over::{HandedOver, PreparedStream};
use crate::polling::session::Session;
use crate::ports::polled::{PolledSource, PolledTarget};
use crate::ports::registry::SchemaRegistry;
use crate::ports::topics::Topics;
use crate::session::retry_delay::{RetryJitter, retry_delay};
use crate::session::status::Status;
use crate::state::ConnectorState;
use crate::state::role::Role;

/// Time in which a session ends after a stop. Rows that are not marked by then are marked by the next session.
const STOP_LIMIT: Duration = Duration::from_secs(10);

/// Connector whose outboxes are polled, over its ports. It has no slot.
#[derive(Debug)]
pub struct OutboxPoller<P, K, T, R> {
    /// Postgres.
    pub source: P,
    /// Kafka, as the place of events, which are committed together with the claims.
    pub target: K,
    /// Kafka, as the place of topics, and the schema registry: for each worker its own.
    pub ports: Vec<(T, R)>,
    /// How records are named and shaped.
    pub mapper: MapperConfig,
    /// How they are delivered.
    pub config: DeliveryConfig,
    /// Counters and histograms, kept up to date.
    pub metrics: Metrics,
    /// What the connector is doing and how far it is, kept up to date.
    pub state: ConnectorState,
    /// How errors are described in the process log, the status and dead letters.
    pub describe: Describe,
    /// Random part of the delays before retries.
    pub retry_jitter: RetryJitter,
}

impl<P: PolledSource, K: PolledTarget, T: Topics, R: SchemaRegistry> OutboxPoller<P, K, T, R> {
    /// Publishes until `stop` ends: then completes the Kafka transactions that have begun, marks their rows, and returns.
    ///
    /// Errors are retried as those of a stream are ([`Connector::run`](crate::Connector::run)). A session begins with the claims in Kafka,
    /// so that no event is sent twice.
    ///
    /// # Errors
    /// An error that is not retryable; another instance has taken over.
    pub async fn run(&mut self, stop: impl Future<Output = ()>) -> Result<(), DeliveryError> {
        let (stopping, stopped) = watch::channel(false);
        let mut sessions = std::pin::pin!(self.sessions(stopped));
        tokio::select! {
            biased;
            outcome = &mut sessions => return outcome,
            () = stop => {}
        }
        info!("stopping");
        stopping.send_replace(true);
        sessions.await
    }

    /// Hands the outboxes over to a stream: sends the events of the rows that committed before one position, marks the rows, and stores
    /// the checkpoint with that position. The source leads already, and `prepared` is the stream. Where a process ends, the call can be
    /// repeated: until the checkpoint is stored, marks and claims say which events are in Kafka, and from then on the checkpoint does.
    ///
    /// # Errors
    /// An error of a port, also one that a repetition may not meet; [`Halt::StreamedBefore`](crate::Halt::StreamedBefore) if the outboxes
    /// are streamed already.
    pub async fn hand_over(&mut self, prepared: PreparedStream) -> Result<HandedOver, DeliveryError> {
        // Kept until the end: a receiver without its sender would be stopped.
        let (_stopping, stopped) = watch::channel(false);
        let session = Session {
            source: &mut self.source,
            target: &mut self.target,
            ports: &mut self.ports,
            mapper: &self.mapper,
            config: &self.config,
            metrics: &self.metrics,
            state: &self.state,
            describe: self.describe,
            stopped,
            lasted: &mut false,
        };
        Box::pin(session.hand_over(prepared)).await
    }

    async fn sessions(&mut self, mut stopped: watch::Receiver<bool>) -> Result<(), DeliveryError> {
        let mut is_start = true;
        let mut failures: u32 = 0;
        loop {
            self.state.status.set(Status::Connecting);
            let begun = Instant::now();
            let mut lasted = false;
            let ended = self.session(stopped.clone(), &mut lasted).await;
            self.source.step_down();
            self.state.role.set(Role::None);
            self.state.backlog.clear();
            is_start &= !lasted;
            let held = lasted && begun.elapsed() > self.config.retry_backoff_max;
            failures = if held { 1 } else { failures + 1 };
            let Err(fault) = ended else {
                self.state.status.set(Status::Stopped);
                return Ok(());
            };
            let labels = ErrorLabels {
                origin: fault.origin(),
            };
            self.metrics.errors.get_or_create(&labels).inc();
            let error = self.describe.error(&fault);
            let ends_start = is_start && !fault.passes_by_itself();
            if ends_start || fault.is_fenced() || !fault.is_retryable() {
                self.state.status.set(Status::Halted { error });
                return Err(fault);
            }
            let (min, max) = (self.config.retry_backoff_min, self.config.retry_backoff_max);
            let delay = retry_delay(failures, min, max, &mut self.retry_jitter);
            let delay_ms = u64::try_from(delay.as_millis()).unwrap_or(u64::MAX);
            warn!(
                error,
                attempt = failures,
                delay_ms,
                "polling ended, trying again from the claims in Kafka"
            );
            self.state.status.set(Status::Retrying {
                error,
                delay: Some(delay),
            });
            // The sender is dropped only after this future.
            if timeout(delay, stopped.wait_for(|stopped| *stopped)).await.is_ok() {
                self.state.status.set(Status::Stopped);
                return Ok(());
            }
            self.metrics.reconnects.inc();
        }
    }

    async fn session(
        &mut self,
        stopped: watch::Receiver<bool>,
        lasted: &mut bool,
    ) -> Result<(), DeliveryError> {
        let mut stop = stopped.clone();
        let limit = async {
            // Without a sender no stop comes.
            if stop.wait_for(|stopped| *stopped).await.is_err() {
                std::future::pending::<()>().await;
            }
            sleep(STOP_LIMIT).await;
        };
        let session = Session {
            source: &mut self.source,
            target: &mut self.target,
            ports: &mut self.ports,
            mapper: &self.mapper,
            config: &self.config,
            metrics: &self.metrics,
            state: &self.state,
            describe: self.describe,
            stopped,
            lasted,
        };
        tokio::select! {
            biased;
            ended = Box::pin(session.run()) => ended,
            () = limit => {
                warn!("the session has not ended in time; rows whose events it has sent are marked at the next start");
                Ok(())
            }
        }
    }
}
