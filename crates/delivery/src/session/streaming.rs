//! One session: from leadership to the end of the stream.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;
use tracing::{info, warn};
use walcast_pgoutput::{FrameBlock, Lsn};

use crate::batch::builder::BatchBuilder;
use crate::batch::queue::batch_queue;
use crate::commit::committer::Committer;
use crate::commit::heartbeat::Heartbeat;
use crate::commit::retention::Retention;
use crate::encode::dead_letters::rejected_changes::RejectedChanges;
use crate::encode::dead_letters::writer::DeadLetters;
use crate::encode::output::Output;
use crate::encode::registrar::Registrar;
use crate::encode::tables::TableEncoder;
use crate::encode::tables::streams::Streams;
use crate::error::DeliveryError;
use crate::halt::Halt;
use crate::ports::checkpoint_store::CheckpointStore;
use crate::ports::registry::SchemaRegistry;
use crate::ports::sink::Sink;
use crate::ports::source::{ChangeStream, Source, Started};
use crate::ports::topics::Topics;
use crate::position::positions::Positions;
use crate::quarantine::current::CurrentQuarantines;
use crate::quarantine::start::AtStart;
use crate::schema_history::SchemaHistory;
use crate::session::ports::Ports;
use crate::session::setup::begin;
use crate::session::setup::beginning::{Beginning, SnapshotOf};
use crate::session::setup::source_identity::check_source_identity;
use crate::session::setup::stream_start::{STREAM_CLOSE_TIMEOUT, StreamStart, start};
use crate::session::status::Status;
use crate::session::watcher::{Known, WatchStart, Watcher};
use crate::snapshot::config::SnapshotMode;
use crate::snapshot::reader::SnapshotReader;
use crate::snapshot::reader::notifications::Notifier;
use crate::snapshot::reader::schedule::Schedule;
use crate::snapshot::reader::state::SnapshotState;
use crate::state::ConnectorState;
use crate::state::role::Role;
use crate::stream::history::HistoryCheck;
use crate::stream::ingest::Ingest;
use crate::stream::interruption::Interruption;
use crate::stream::transactions::Delivered;

/// Time for which a stop waits for Kafka. What is not committed by then is aborted, and streamed again by the next session.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(5);

/// Leadership is acquired within milliseconds unless another instance has it.
const STANDBY_AFTER: Duration = Duration::from_secs(2);

/// Where and how a stream begins, the stream, and the check of its history.
type Prepared<P> = (Beginning<SnapshotOf<P>>, Started<P>, Option<HistoryCheck>);

/// Reason for which a session ended without error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// The connector stops.
    Stopped,
    /// The stream must be restarted from the checkpoint.
    Restart,
}

/// What a session has done, and how it ended.
pub(crate) struct Outcome {
    pub(crate) ended: Result<Ended, DeliveryError>,
    /// Whether it waited for another instance.
    pub(crate) has_stood_by: bool,
    /// Whether the stream was started.
    pub(crate) has_streamed: bool,
}

/// One session over the ports of a connector.
pub(crate) struct Session<'a, P, C, K, T, R> {
    pub(crate) ports: Ports<'a, P, C, K, T, R>,
    pub(crate) stopped: watch::Receiver<bool>,
    /// Whether it is the first since the connector was started.
    pub(crate) is_start: bool,
    /// Changes whose records Kafka rejected in earlier sessions.
    pub(crate) refused: &'a mut RejectedChanges,
    has_stood_by: bool,
    /// Whether leadership was acquired.
    leads: bool,
    has_streamed: bool,
    /// Position of the oldest bookmark: changes after it can be streamed again.
    bookmarked: Option<Lsn>,
}

impl<'a, P: Source, C: CheckpointStore, K: Sink, T: Topics, R: SchemaRegistry> Session<'a, P, C, K, T, R> {
    pub(crate) fn new(
        ports: Ports<'a, P, C, K, T, R>,
        stopped: watch::Receiver<bool>,
        is_start: bool,
        refused: &'a mut RejectedChanges,
    ) -> Self {
        Self {
            ports,
            stopped,
            is_start,
            refused,
            has_stood_by: false,
            leads: false,
            has_streamed: false,
            bookmarked: None,
        }
    }

    /// Runs the session to its end.
    pub(crate) async fn run(mut self) -> Outcome {
        let ended = self.run_to_end().await;
        Outcome {
            ended,
            has_stood_by: self.has_stood_by,
            has_streamed: self.has_streamed,
        }
    }

    async fn run_to_end(&mut self) -> Result<Ended, DeliveryError> {
        let mut stopped = self.stopped.clone();
        let prepared = tokio::select! {
            biased;
            _ = stopped.wait_for(|stop| *stop) => None,
            prepared = self.prepare() => Some(prepared?),
        };
        let Some(prepared) = prepared else {
            if self.leads {
                self.abandon_slot_creation().await;
            }
            return Ok(Ended::Stopped);
        };
        let (beginning, started, check) = prepared;
        self.has_streamed = true;
        // Before the connector is shown as streaming: clean-up relies on both.
        self.ports
            .state
            .tables
            .set_quarantines(&beginning.log.quarantines);
        let complete = &beginning.checkpoint.complete_outboxes;
        self.ports.state.outboxes.start(complete);
        self.ports.state.status.set(Status::Streaming);
        self.stream(beginning, started, check).await
    }

    /// Ends the creation of the slot, which the server would continue after the connection is closed: the next start would find
    /// the incomplete slot.
    async fn abandon_slot_creation(&mut self) {
        let ended = tokio::time::timeout(STREAM_CLOSE_TIMEOUT, self.ports.source.end_slot_creation()).await;
        match ended {
            Ok(Ok(())) => {}
            Ok(Err(fault)) => warn!(
                error = self.ports.describe.error(&fault),
                "the creation of the slot could not be cancelled; the next start ends it"
            ),
            Err(_) => warn!("the creation of the slot was not cancelled in time; the next start ends it"),
        }
    }

    /// Acquires leadership, fences the earlier leader if the server is the right one, and finds the position to resume from.
    async fn prepare(&mut self) -> Result<Prepared<P>, DeliveryError> {
        let connector = &mut self.ports;
        lead(connector.source, connector.state, &mut self.has_stood_by).await?;
        self.leads = true;
        let led_since = Instant::now();
        connector.topics.forget();
        connector.registry.forget();
        check_source_identity(connector.source, connector.checkpoints, &connector.config.slot).await?;
        let log = connector.sink.open().await.map_err(DeliveryError::Sink)?;
        let beginning = begin(connector, log, self.is_start).await?;
        let bookmarked = connector.source.oldest_bookmark().await;
        self.bookmarked = bookmarked.map_err(DeliveryError::Source)?;
        let slot = &connector.config.slot;
        let (checkpoint, begins_at) = (&beginning.checkpoint, beginning.begins_at);
        let StreamStart {
            started,
            check,
            source_state,
        } = start(connector.source, slot, checkpoint, begins_at).await?;
        connector.state.positions.set_server_end(source_state.flush_lsn);
        // Rows are read after this.
        connector.state.outboxes.inspect(&source_state, connector.mapper);
        info!(slot, lsn = %beginning.from, "streaming");
        if self.has_stood_by {
            connector.state.role.streams_after(led_since.elapsed());
        }
        Ok((beginning, started, check))
    }

    async fn stream(
        &mut self,
        beginning: Beginning<SnapshotOf<P>>,
        started: Started<P>,
        check: Option<HistoryCheck>,
    ) -> Result<Ended, DeliveryError> {
        let Ports {
            sink,
            topics,
            registry,
            mapper,
            config,
            metrics,
            state,
            requests,
            describe,
            ..
        } = &mut self.ports;
        let (mapper, config, metrics, state, describe) = (*mapper, *config, *metrics, *state, *describe);
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
            mut log,
            snapshot,
            known_tables,
            restrictions,
            known_partitions,
            partition_changes,
            flushed,
            owners,
            needs_stream_restart,
            ..
        } = beginning;
        state.outboxes.note_partitions(&partition_changes);
        state.partitions.add(partition_changes, flushed);
        let positions = Positions::new(from, confirmed);
        state.positions.publish(&positions);
        state.pending.start();

        let (batches, received) = batch_queue();
        let delivered = Delivered {
            until: from,
            last_commit: checkpoint.last_commit,
            last_message: checkpoint.last_message,
            partial: checkpoint.partial,
        };
        let mut registrar = Registrar::new(&mut **topics, &mut **registry, config.on_incompatible);
        let heartbeat = Heartbeat::prepare(mapper, &mut registrar).await?;
        self.refused.forget_before(from);
        let dead_letters = DeadLetters::new(&config.dead_letters, mapper, metrics, &*self.refused, describe)
            .reporting_to(state.dead_letters.clone());
        let schemas = SchemaHistory::new(
            std::mem::take(&mut log.schemas),
            &known_tables,
            // Bookmarks that are made later lie behind the confirmed position.
            self.bookmarked.map_or(confirmed, |oldest| oldest.min(confirmed)),
            flushed,
        );
        let mut checkpoint = checkpoint;
        let mut quarantines = CurrentQuarantines::at_start(
            std::mem::take(&mut log.quarantines),
            |change| delivered.passes(change),
            &AtStart {
                captured: &known_tables,
                confirmed,
                end_of_wal: flushed,
            },
        );
        let mut progress = checkpoint.snapshot.take().unwrap_or_default();
        quarantines.reconcile(&mut progress);
        checkpoint.snapshot = progress.into_stored();
        quarantines.log(describe);
        state.tables.set_quarantines(quarantines.tables());
        let mut output = Output {
            tables: TableEncoder::<(_, T, R)>::new(
                catalog,
                registrar,
                mapper,
                metrics,
                dead_letters,
                owners,
                schemas,
                quarantines,
                Streams::new(Some(&state.event_stores), metrics, describe),
                state.outboxes.clone(),
                state.outbox_topics.clone(),
            )
            .reporting_schemas_to(state.schemas.clone()),
            batch: BatchBuilder::new(mapper.events.transactions, batches, config.split_bytes())
                .observed_by(state.outboxes.clone(), state.pending.clone()),
        };
        output.store_schemas();
        output.store_quarantines();
        let mut watcher = Watcher::new(
            &mut watch,
            (config, mapper),
            state,
            requests.control(),
            WatchStart {
                known: Known {
                    tables: known_tables,
                    partitions: known_partitions,
                },
                restrictions,
                from,
            },
            describe,
        );
        let progress = checkpoint.snapshot.clone();
        let schedule = Schedule::new(progress, snapshot, config, needs_stream_restart);
        let snapshot_state = SnapshotState::new(
            schedule,
            Notifier::new(mapper),
            checkpoint.signals_read,
            state,
            metrics,
            describe,
        );
        let mut snapshot_reader = SnapshotReader::new(snapshot_state, requests, self.stopped.clone());
        snapshot_reader.prepare_snapshot();
        let ingest = Ingest::new(
            delivered,
            mapper,
            output,
            snapshot_reader,
            metrics,
            &state.positions,
        );
        let retention = Retention::new(config.replay, &log);
        let committer = Committer::new(
            &mut **sink,
            feedback,
            config,
            metrics,
            state,
            retention,
            heartbeat,
            positions,
            checkpoint,
        );

        let stop = self.stopped.clone();
        let outcome = {
            let halves = async {
                // Nothing is written or confirmed before the history is verified.
                let verified = match check {
                    None => None,
                    Some(check) => {
                        let received = |block: &FrameBlock| {
                            let bytes = u64::try_from(block.len_bytes()).unwrap_or(u64::MAX);
                            metrics.received_bytes.inc_by(bytes);
                        };
                        tokio::select! {
                            biased;
                            () = stopping(stop.clone()) => return Ok(Ended::Stopped),
                            verified = check.run(&mut stream, received) => Some(verified?),
                        }
                    }
                };
                state.outboxes.verify();
                let reading = async {
                    let read = ingest
                        .run(&mut stream, &mut snapshots, verified, stopping(stop))
                        .await;
                    // A Kafka that does not answer may keep the committer for a minute, in which the connector does not stream.
                    if let Err(Interruption::Failed(error)) = &read
                        && error.is_retryable()
                    {
                        state.status.set(Status::Retrying {
                            error: describe.error(error),
                            delay: None,
                        });
                    }
                    read
                };
                let (read, written) = tokio::join!(reading, committer.run(received));
                // The committer's error is the cause where both failed: ingest then only found that the committer has ended.
                written.and(match read {
                    Ok(()) | Err(Interruption::CommitterGone) => Ok(Ended::Stopped),
                    Err(Interruption::Restart) => Ok(Ended::Restart),
                    Err(Interruption::Failed(error)) => Err(error),
                })
            };
            tokio::select! {
                biased;
                outcome = halves => outcome,
                fault = watcher.watch() => Err(fault),
                () = drained(self.stopped.clone()) => {
                    warn!("kafka did not finish in time, what is not committed is streamed again by the next session");
                    Ok(Ended::Stopped)
                }
            }
        };
        // No Kafka transaction stays open; the next session streams its changes again.
        let aborted = tokio::time::timeout(DRAIN_TIMEOUT, sink.abort()).await;
        let outcome = match aborted {
            // Records can fail for other reasons a moment before the producer learns that it was replaced.
            Ok(Err(fault)) if fault.is_fenced() => Err(DeliveryError::Sink(fault)),
            Ok(Err(fault)) => {
                warn!(
                    error = describe.error(&fault),
                    "kafka transaction could not be aborted, the next start ends it"
                );
                outcome
            }
            Ok(Ok(())) | Err(_) => outcome,
        };
        match tokio::time::timeout(STREAM_CLOSE_TIMEOUT, stream.stop()).await {
            Ok(Ok(())) => {}
            Ok(Err(fault)) if outcome.is_ok() => {
                warn!(error = describe.error(&fault), "stream did not end cleanly")
            }
            Ok(Err(_)) => {}
            Err(_) => warn!("stream did not end in time"),
        }
        let has_read_only = config.snapshot.mode == SnapshotMode::InitialOnly && !*self.stopped.borrow();
        let tables = state.tables.quarantined();
        if has_read_only && matches!(outcome, Ok(Ended::Stopped)) && !tables.is_empty() {
            return Err(Halt::RowsMissing { tables }.into());
        }
        outcome
    }
}

/// Waits for leadership; a long wait is one behind another instance.
async fn lead<P: Source>(
    source: &mut P,
    state: &ConnectorState,
    has_stood_by: &mut bool,
) -> Result<(), DeliveryError> {
    let mut lead = std::pin::pin!(source.acquire_leadership());
    let taken = tokio::select! {
        biased;
        taken = &mut lead => taken,
        () = tokio::time::sleep(STANDBY_AFTER) => {
            state.status.set(Status::Standby);
            state.role.set(Role::Standby);
            state.pending.clear();
            *has_stood_by = true;
            lead.await
        }
    };
    state.status.set(Status::Connecting);
    state
        .role
        .set(if taken.is_ok() { Role::Leader } else { Role::None });
    taken.map_err(DeliveryError::Source)
}

async fn stopping(mut stopped: watch::Receiver<bool>) {
    // An error means that the sender is gone, which is a stop too.
    drop(stopped.wait_for(|stop| *stop).await);
}

async fn drained(stopped: watch::Receiver<bool>) {
    stopping(stopped).await;
    tokio::time::sleep(DRAIN_TIMEOUT).await;
}
