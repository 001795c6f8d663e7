//! One session: from taking the lead to the end of the stream.

use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::time::Instant;
use tracing::{info, warn};
use walcast_pgoutput::Lsn;

use crate::connector::Connector;
use crate::dead_letters::{DeadLetters, RefusedChanges};
use crate::edge::{ChangeStream, SchemaRegistry, Sink, Source, Started, Topics};
use crate::heartbeat::Heartbeat;
use crate::intake::{Intake, IntakeFault, Resume, Rows};
use crate::parcel::PARCELS_QUEUED_MAX;
use crate::pending::Pending;
use crate::recognition::Recognition;
use crate::registrar::Registrar;
use crate::relations::Relations;
use crate::retention::Retention;
use crate::setup::{Beginning, GOODBYE_TIMEOUT, SnapshotOf, begin, refuse_stranger, start};
use crate::shipper::Shipper;
use crate::watcher::Watcher;
use crate::{DeliveryError, Metrics, Positions, Role, RoleBoard, Status};

/// How long a stop waits for Kafka before it gives up what is not committed; it will be read from the log again.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(5);

/// Taking the lead is a matter of milliseconds unless somebody else has it.
const STANDBY_AFTER: Duration = Duration::from_secs(2);

/// Where and how a stream begins, the stream, and what it has to show first.
type Prepared<P> = (Beginning<SnapshotOf<P>>, Started<P>, Option<Recognition>);

/// A session ended without fault.
pub(crate) enum Ended {
    /// Because it was asked to.
    AsAsked,
    /// The stream is to be begun anew from the checkpoint.
    Renewed,
}

/// One session over a connector's edges.
pub(crate) struct Session<'a, P, K, T, R> {
    connector: &'a mut Connector<P, K, T, R>,
    stopped: watch::Receiver<bool>,
    /// Whether it is the first since the connector was started.
    is_start: bool,
    has_stood_by: bool,
    has_streamed: bool,
    /// Changes whose records Kafka did not take in earlier sessions.
    refused: &'a mut RefusedChanges,
}

impl<'a, P: Source, K: Sink, T: Topics, R: SchemaRegistry> Session<'a, P, K, T, R> {
    pub(crate) fn new(
        connector: &'a mut Connector<P, K, T, R>,
        stopped: watch::Receiver<bool>,
        is_start: bool,
        refused: &'a mut RefusedChanges,
    ) -> Self {
        Self {
            connector,
            stopped,
            is_start,
            has_stood_by: false,
            has_streamed: false,
            refused,
        }
    }

    /// Whether another instance was waited for.
    pub(crate) fn has_stood_by(&self) -> bool {
        self.has_stood_by
    }

    /// Whether the stream was begun.
    pub(crate) fn has_streamed(&self) -> bool {
        self.has_streamed
    }

    pub(crate) async fn run(&mut self) -> Result<Ended, DeliveryError> {
        let mut stopped = self.stopped.clone();
        let prepared = tokio::select! {
            biased;
            _ = stopped.wait_for(|stop| *stop) => return Ok(Ended::AsAsked),
            prepared = self.prepare() => prepared?,
        };
        let (beginning, started, recognition) = prepared;
        self.has_streamed = true;
        self.connector.metrics.streaming.set(1);
        self.connector.status.send_replace(Status::Streaming);
        self.stream(beginning, started, recognition).await
    }

    /// Takes the lead, fences whoever led before if the server is the right one, and finds where to go on.
    async fn prepare(&mut self) -> Result<Prepared<P>, DeliveryError> {
        let connector = &mut *self.connector;
        let waiting = lead(
            &mut connector.source,
            &connector.status,
            &connector.metrics.role,
            &mut self.has_stood_by,
        );
        waiting.await?;
        let led_since = Instant::now();
        connector.topics.forget();
        connector.registry.forget();
        refuse_stranger(&mut connector.source, &mut connector.sink, &connector.config.slot).await?;
        let log = connector.sink.open().await.map_err(DeliveryError::Sink)?;
        let beginning = begin(
            &mut connector.source,
            &mut connector.sink,
            &connector.config,
            log,
            self.is_start,
        )
        .await?;
        let slot = &connector.config.slot;
        let (checkpoint, begins_at) = (&beginning.checkpoint, beginning.begins_at);
        let (started, recognition) = start(&mut connector.source, slot, checkpoint, begins_at).await?;
        info!(slot, lsn = %beginning.from, "streaming");
        if self.has_stood_by {
            let seconds = led_since.elapsed().as_secs_f64();
            connector.metrics.role.streams_after(seconds);
        }
        Ok((beginning, started, recognition))
    }

    async fn stream(
        &mut self,
        beginning: Beginning<SnapshotOf<P>>,
        started: Started<P>,
        recognition: Option<Recognition>,
    ) -> Result<Ended, DeliveryError> {
        let Connector {
            sink,
            topics,
            registry,
            mapper,
            config,
            metrics,
            requests,
            ..
        } = &mut *self.connector;
        let (config, metrics) = (&*config, &*metrics);
        let Started {
            mut stream,
            feedback,
            catalog,
            mut watch,
            mut snapshots,
        } = started;
        let Beginning {
            from,
            confirmed,
            checkpoint,
            log,
            snapshot,
            known_tables,
            renews,
            ..
        } = beginning;
        let positions = Positions::new(from, confirmed);
        show(metrics, &positions);

        let (parcels, shipped) = mpsc::channel(PARCELS_QUEUED_MAX);
        let (emptied, reused) = mpsc::channel(PARCELS_QUEUED_MAX + 2);
        let pending = Pending::new();
        let resume = Resume {
            recognition,
            from,
            last_commit: checkpoint.last_commit,
            last_message: checkpoint.last_message,
            partial: checkpoint.partial,
            signals_read: checkpoint.signals_read,
        };
        let mut registrar = Registrar::new(topics, registry, config.on_incompatible);
        let heartbeat = Heartbeat::prepare(mapper, &mut registrar).await?;
        self.refused.forget_before(from);
        let dead_letters = DeadLetters::new(&config.dead_letters, mapper, metrics, &*self.refused);
        let relations = Relations::new(catalog, registrar, mapper, metrics, dead_letters);
        let progress = checkpoint.snapshot.clone();
        let rows = Rows::new(progress, snapshot, config, self.stopped.clone(), renews);
        let mut watcher = Watcher::new(&mut watch, config, metrics, requests.control(), known_tables);
        let intake = Intake::new(
            relations, mapper, resume, rows, requests, parcels, reused, metrics,
        );
        let retention = Retention::new(config.replay, &log);
        let shipper = Shipper::new(
            &mut *sink, feedback, config, metrics, &pending, retention, heartbeat, positions, checkpoint,
        )
        .waiting_for_first_parcel(recognition.is_some());

        let stop_reading = asked_to_stop(self.stopped.clone());
        let outcome = {
            let halves = async {
                let (read, written) = tokio::join!(
                    intake.run(&mut stream, &mut snapshots, stop_reading),
                    shipper.run(shipped, emptied)
                );
                // The shipper's fault is the cause where both failed: the intake then only noticed that it is gone.
                written.and(match read {
                    Ok(()) | Err(IntakeFault::ShipperGone) => Ok(Ended::AsAsked),
                    Err(IntakeFault::Renew) => Ok(Ended::Renewed),
                    Err(IntakeFault::Failed(error)) => Err(error),
                })
            };
            tokio::select! {
                biased;
                outcome = halves => outcome,
                fault = watcher.watch(&pending) => Err(fault),
                () = drained(self.stopped.clone()) => {
                    warn!("kafka did not finish in time, what is not committed will be read again");
                    Ok(Ended::AsAsked)
                }
            }
        };
        // Whatever happened, nothing half done stays open; the next session reads it from the log again.
        let aborted = tokio::time::timeout(DRAIN_TIMEOUT, sink.abort()).await;
        let outcome = match aborted {
            // Records can fail for other reasons a moment before the producer learns that it was replaced.
            Ok(Err(fault)) if fault.is_fenced() => Err(DeliveryError::Sink(fault)),
            Ok(Err(fault)) => {
                warn!(error = %fault, "kafka transaction could not be aborted, the next start ends it");
                outcome
            }
            Ok(Ok(())) | Err(_) => outcome,
        };
        match tokio::time::timeout(GOODBYE_TIMEOUT, stream.stop()).await {
            Ok(Ok(())) => {}
            Ok(Err(fault)) if outcome.is_ok() => warn!(error = %fault, "stream did not end in good order"),
            Ok(Err(_)) => {}
            Err(_) => warn!("stream did not end in time"),
        }
        outcome
    }
}

/// Waits for the lead; a wait that takes long is one behind another instance.
async fn lead<P: Source>(
    source: &mut P,
    status: &watch::Sender<Status>,
    role: &RoleBoard,
    has_stood_by: &mut bool,
) -> Result<(), DeliveryError> {
    let mut lead = std::pin::pin!(source.lead());
    let taken = tokio::select! {
        biased;
        taken = &mut lead => taken,
        () = tokio::time::sleep(STANDBY_AFTER) => {
            status.send_replace(Status::Standby);
            role.set(Role::Standby);
            *has_stood_by = true;
            lead.await
        }
    };
    status.send_replace(Status::Connecting);
    role.set(if taken.is_ok() { Role::Leader } else { Role::None });
    taken.map_err(DeliveryError::Source)
}

fn show(metrics: &Metrics, positions: &Positions) {
    metrics.received_lsn.set(positions.received().as_u64());
    metrics.produced_lsn.set(positions.produced().as_u64());
    metrics.checkpointed_lsn.set(positions.checkpointed().as_u64());
    metrics
        .confirmed_lsn
        .set(positions.confirmed().max(Lsn::INVALID).as_u64());
}

async fn asked_to_stop(mut stopped: watch::Receiver<bool>) {
    // An error means that the asking side is gone, which is a stop too.
    drop(stopped.wait_for(|stop| *stop).await);
}

async fn drained(stopped: watch::Receiver<bool>) {
    asked_to_stop(stopped).await;
    tokio::time::sleep(DRAIN_TIMEOUT).await;
}
