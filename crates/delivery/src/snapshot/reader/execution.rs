//! Execution of snapshot requests, while changes are streamed or rows are read.

use tracing::{info, warn};
use walcast_mapper::TableName;
use walcast_mapper::events::SnapshotEvent;

use crate::batch::builder::BatchBuilder;
use crate::encode::output::Output;
use crate::encode::ports::EncodePorts;
use crate::error::DeliveryError;
use crate::ports::catalog::RowsCatalog;
use crate::ports::snapshots::Snapshot;
use crate::snapshot::channel::RequestChannel;
use crate::snapshot::command::{
    SnapshotCommand, SnapshotRejected, check_size, not_quarantined, selected_tables, stop,
};
use crate::snapshot::control::{Reply, Request, SnapshotAnswer};
use crate::snapshot::progress::{PublishedSince, SnapshotProgress, TableProgress};
use crate::snapshot::reader::state::SnapshotState;
use crate::snapshot::signal::{Signal, SignalError};
use crate::stream::interruption::Interruption;

impl<S: Snapshot> SnapshotState<'_, S> {
    /// Executes a request, stores its effect with the next checkpoint, and then replies.
    pub(super) async fn execute<E: EncodePorts>(
        &mut self,
        request: Request,
        output: &mut Output<'_, E>,
    ) -> Result<(), Interruption> {
        if request.is_stale() {
            return Ok(());
        }
        match request {
            Request::Command { command, reply } => {
                match self.command(&command, RequestChannel::Http, output).await? {
                    Ok(answer) => reply_when_stored(&mut output.batch, reply, Ok(answer)),
                    Err(refused) => answer(reply, Err(refused)),
                }
            }
            Request::SignalsFrom { end, reply } => {
                let from = *self.signals_read.get_or_insert(end);
                output.batch.delta().signals_read = Some(from);
                reply_when_stored(&mut output.batch, reply, from);
            }
            Request::Signal { offset, text, reply } => {
                if self.signals_read.is_none_or(|read| read <= offset) {
                    self.signal(Signal::of_record(&text), RequestChannel::SignalTopic, output)
                        .await?;
                    self.signals_read = Some(offset + 1);
                    output.batch.delta().signals_read = self.signals_read;
                }
                reply_when_stored(&mut output.batch, reply, ());
            }
            Request::Expect { tables, names, reply } => {
                self.follow_names(&names, output);
                for table in tables {
                    self.schedule.await_publishing(&table, PublishedSince::Pending);
                }
                self.follow_names(&names, output);
                self.store_progress(output);
                reply_when_stored(&mut output.batch, reply, ());
            }
            Request::Partitions {
                records,
                attached,
                names,
                since,
                reply,
            } => {
                if !attached.is_empty() {
                    self.follow_names(&names, output);
                    for (table, partitions) in &attached {
                        self.schedule.await_attached(table, partitions, since);
                    }
                    self.follow_names(&names, output);
                }
                output.batch.delta().partitions.extend(records);
                if !attached.is_empty() {
                    self.store_progress(output);
                }
                reply_when_stored(&mut output.batch, reply, ());
            }
            Request::Captured {
                known,
                to_fill,
                names,
                since,
                restrictions,
                reply,
            } => {
                self.follow_names(&names, output);
                for table in to_fill {
                    match since {
                        Some(since) => self
                            .schedule
                            .await_publishing(&table, PublishedSince::Since(since)),
                        None => self.schedule.progress.reach(&table, None),
                    }
                }
                self.follow_names(&names, output);
                output.batch.delta().known_tables = Some(known);
                output.batch.delta().restrictions = Some(restrictions);
                self.store_progress(output);
                reply_when_stored(&mut output.batch, reply, ());
            }
            Request::Restricted { restrictions, reply } => {
                output.batch.delta().restrictions = Some(restrictions);
                reply_when_stored(&mut output.batch, reply, ());
            }
        }
        Ok(output.batch.flush().await?)
    }

    /// Executes the signals of a transaction. If one fails, no effect is stored: the stream sends the transaction
    /// again.
    pub(super) async fn execute_signals<E: EncodePorts>(
        &mut self,
        signals: Vec<Result<Signal, SignalError>>,
        output: &mut Output<'_, E>,
    ) -> Result<(), DeliveryError> {
        for signal in signals {
            self.signal(signal, RequestChannel::SignalTable, output).await?;
        }
        Ok(())
    }

    /// Executes a signal. A signal that cannot be executed is logged and skipped: no client waits for a reply.
    async fn signal<E: EncodePorts>(
        &mut self,
        signal: Result<Signal, SignalError>,
        channel: RequestChannel,
        output: &mut Output<'_, E>,
    ) -> Result<(), DeliveryError> {
        match signal {
            Ok(Signal::Log(message)) => info!(signal = message, "signal"),
            Ok(Signal::Command(command)) => {
                if let Err(error) = self.command(&command, channel, output).await? {
                    warn!(error = self.describe.error(&error), "signal is not executed");
                }
            }
            Err(error) => {
                warn!(
                    error = self.describe.error(&error),
                    "signal is invalid and is skipped"
                )
            }
        }
        Ok(())
    }

    async fn command<E: EncodePorts>(
        &mut self,
        command: &SnapshotCommand,
        channel: RequestChannel,
        output: &mut Output<'_, E>,
    ) -> Result<Result<SnapshotAnswer, SnapshotRejected>, DeliveryError> {
        let done = match command {
            SnapshotCommand::Start { tables, marks, id } => {
                let source_state = output.tables.catalog().inspect().await;
                let source_state = source_state.map_err(DeliveryError::Source)?;
                self.follow_names(&source_state.captured_names(), output);
                let publication = &self.schedule.publication;
                let dialect = self.schedule.config.sql_conditions.dialect(channel);
                let progress = &self.schedule.progress;
                let chosen = selected_tables(
                    tables,
                    *marks,
                    (channel, dialect),
                    &source_state,
                    publication,
                    progress,
                )
                .and_then(|chosen| not_quarantined(chosen, output.tables.quarantines.tables()))
                .and_then(|chosen| check_size(&chosen, id.as_deref(), progress).map(|()| chosen));
                match chosen {
                    Ok(chosen) => self.start(chosen, id.as_deref(), output).await?,
                    Err(refused) => Err(refused),
                }
            }
            SnapshotCommand::Stop { tables } => {
                let needs_restart = self.schedule.needs_stream_restart();
                let before = with_attached(&self.schedule.progress);
                let stopped = self.while_reading(|progress| stop(tables, progress, needs_restart));
                let after = with_attached(&self.schedule.progress);
                let unread = before.iter().filter(|oid| !after.contains(oid));
                output
                    .batch
                    .delta()
                    .outboxes
                    .extend(unread.map(|oid| (*oid, None)));
                stopped
            }
            SnapshotCommand::ResumeTables { tables } => self.resume_tables(tables, output).await?,
            SnapshotCommand::Pause => self.while_reading(|progress| Ok(set_paused(progress, true))),
            SnapshotCommand::Resume => self.while_reading(|progress| Ok(set_paused(progress, false))),
        };
        let tables = match done {
            Ok(tables) => tables,
            Err(refused) => return Ok(Err(refused)),
        };
        let happened = match command {
            SnapshotCommand::Start { .. } | SnapshotCommand::ResumeTables { .. } => None,
            SnapshotCommand::Stop { .. } => Some(SnapshotEvent::Aborted),
            SnapshotCommand::Pause => Some(SnapshotEvent::Paused),
            SnapshotCommand::Resume => Some(SnapshotEvent::Resumed),
        };
        if let Some(happened) = happened {
            self.notifier
                .requested(happened, &tables, &self.schedule.progress, output)
                .await?;
        }
        self.quarantine_stopped(output).await?;
        if self.schedule.progress.tables.is_empty() {
            self.schedule.progress = SnapshotProgress::default();
        }
        self.store_progress(output);
        let tables: Vec<String> = tables.iter().map(ToString::to_string).collect();
        let paused = self.schedule.progress.paused;
        info!(
            command = command.word(),
            tables = tables.join(", "),
            "snapshot request executed"
        );
        Ok(Ok(SnapshotAnswer { tables, paused }))
    }

    pub(super) async fn start<E: EncodePorts>(
        &mut self,
        chosen: Vec<TableProgress>,
        id: Option<&str>,
        output: &mut Output<'_, E>,
    ) -> Result<Result<Vec<TableName>, SnapshotRejected>, DeliveryError> {
        for one in &chosen {
            let table = one.table();
            // The condition was parsed before by the same rules.
            let condition = one.condition().ok().flatten();
            let refused = output.tables.catalog().refuses(&table, condition.as_ref());
            if let Some(why) = refused.await.map_err(DeliveryError::Source)? {
                return Ok(Err(SnapshotRejected::Unreadable { table, why }));
            }
        }
        let tables = chosen.iter().map(TableProgress::table).collect();
        if let Some(id) = id
            && self.schedule.progress.tables.is_empty()
        {
            self.schedule.progress.id = id.to_owned();
        }
        for one in chosen {
            match self.schedule.progress.find_mut(&one.table()) {
                Some(unread) => *unread = one,
                None => self.schedule.progress.add(one),
            }
        }
        Ok(Ok(tables))
    }

    fn while_reading<O>(
        &mut self,
        change: impl FnOnce(&mut SnapshotProgress) -> Result<O, SnapshotRejected>,
    ) -> Result<O, SnapshotRejected> {
        if self.schedule.progress.tables.iter().all(|table| table.unread) {
            return Err(SnapshotRejected::NothingIsRead);
        }
        change(&mut self.schedule.progress)
    }
}

fn reply_when_stored<A: Send + Sync + 'static>(batch: &mut BatchBuilder, reply: Reply<A>, with: A) {
    batch.delta().replies.push(Box::new(move || answer(reply, with)));
}

/// OIDs of the tables of which attached partitions remain to be read.
fn with_attached(progress: &SnapshotProgress) -> Vec<u32> {
    let tables = progress.tables.iter();
    let attached = tables.filter(|table| !table.partitions.is_empty() || table.attached.is_some());
    attached.filter_map(|table| table.oid).collect()
}

fn set_paused(progress: &mut SnapshotProgress, paused: bool) -> Vec<TableName> {
    progress.paused = paused;
    progress.tables.iter().map(TableProgress::table).collect()
}

/// Replies, unless the client has stopped waiting.
fn answer<A>(reply: Reply<A>, with: A) {
    drop(reply.send(with));
}
