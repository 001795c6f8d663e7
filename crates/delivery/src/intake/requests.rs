//! What somebody asks for while changes are streamed or rows are read.

use tracing::{info, warn};
use walcast_mapper::{SnapshotEvent, TableName};

use super::{Intake, IntakeFault};
use crate::DeliveryError;
use crate::edge::{RowsCatalog, SchemaRegistry, Snapshots, Topics};
use crate::snapshot::{
    Publishing, Reply, Request, Signal, SignalError, SnapshotAnswer, SnapshotCommand, SnapshotProgress,
    SnapshotRefused, TableProgress, chosen, stop,
};

impl<C: RowsCatalog, T: Topics, R: SchemaRegistry, N: Snapshots> Intake<'_, C, T, R, N> {
    /// Does what is asked, has it stored with the next checkpoint, and answers then.
    pub(super) async fn carry_out(&mut self, request: Request) -> Result<(), IntakeFault> {
        if request.is_stale() {
            return Ok(());
        }
        match request {
            Request::Command { command, reply } => match self.command(&command).await? {
                Ok(answer) => self.reply_when_stored(reply, Ok(answer)),
                Err(refused) => answer(reply, Err(refused)),
            },
            Request::SignalsFrom { end, reply } => {
                let from = *self.signals_read.get_or_insert(end);
                self.parcel.notes.signals_read = Some(from);
                self.reply_when_stored(reply, from);
            }
            Request::Signal { offset, text, reply } => {
                if self.signals_read.is_none_or(|read| read <= offset) {
                    self.signal(Signal::of_record(&text)).await?;
                    self.signals_read = Some(offset + 1);
                    self.parcel.notes.signals_read = self.signals_read;
                }
                self.reply_when_stored(reply, ());
            }
            Request::Expect { tables, reply } => {
                for table in tables {
                    self.rows.await_publishing(&table, Publishing::Pending);
                }
                self.note_progress();
                self.reply_when_stored(reply, ());
            }
            Request::Captured {
                known,
                to_fill,
                since,
                reply,
            } => {
                for table in to_fill {
                    match since {
                        Some(since) => self.rows.await_publishing(&table, Publishing::Since(since)),
                        None => self.rows.progress.reach(&table, None),
                    }
                }
                self.parcel.notes.known_tables = Some(known);
                self.note_progress();
                self.reply_when_stored(reply, ());
            }
        }
        self.hand_on().await
    }

    /// The signals of a transaction, all or, where that fails, none: the transaction is read again then.
    pub(super) async fn carry_out_all(
        &mut self,
        signals: Vec<Result<Signal, SignalError>>,
    ) -> Result<(), IntakeFault> {
        let (whole, noted) = (self.whole, self.parcel.notes.snapshot.clone());
        for signal in signals {
            if let Err(fault) = self.signal(signal).await {
                self.whole = whole;
                self.parcel.notes.snapshot = noted;
                return Err(fault);
            }
        }
        Ok(())
    }

    /// A signal; one that cannot be carried out is said and passed over, as nobody waits for an answer.
    async fn signal(&mut self, signal: Result<Signal, SignalError>) -> Result<(), IntakeFault> {
        match signal {
            Ok(Signal::Log(message)) => info!(signal = message, "signal"),
            Ok(Signal::Command(command)) => {
                if let Err(error) = self.command(&command).await? {
                    warn!(%error, "a signal is not carried out");
                }
            }
            Err(error) => warn!(%error, "a signal means nothing and is passed over"),
        }
        Ok(())
    }

    async fn command(
        &mut self,
        command: &SnapshotCommand,
    ) -> Result<Result<SnapshotAnswer, SnapshotRefused>, IntakeFault> {
        let done = match command {
            SnapshotCommand::Start { tables, marks, id } => {
                let survey = self.relations.catalog().survey().await;
                let survey = survey.map_err(DeliveryError::Source)?;
                let publication = &self.rows.publication;
                match chosen(tables, *marks, &survey, publication, &self.rows.progress) {
                    Ok(chosen) => self.start(chosen, id.as_deref()).await?,
                    Err(refused) => Err(refused),
                }
            }
            SnapshotCommand::Stop { tables } => {
                let renews = self.rows.renews();
                self.while_reading(|progress| stop(tables, progress, renews))
            }
            SnapshotCommand::Pause => self.while_reading(|progress| Ok(set_paused(progress, true))),
            SnapshotCommand::Resume => self.while_reading(|progress| Ok(set_paused(progress, false))),
        };
        let tables = match done {
            Ok(tables) => tables,
            Err(refused) => return Ok(Err(refused)),
        };
        let happened = match command {
            SnapshotCommand::Start { .. } => None,
            SnapshotCommand::Stop { .. } => Some(SnapshotEvent::Aborted),
            SnapshotCommand::Pause => Some(SnapshotEvent::Paused),
            SnapshotCommand::Resume => Some(SnapshotEvent::Resumed),
        };
        if let Some(happened) = happened {
            self.notify_request(happened, &tables).await?;
        }
        if self.rows.progress.tables.is_empty() {
            self.rows.progress = SnapshotProgress::default();
        }
        self.note_progress();
        let tables: Vec<String> = tables.iter().map(ToString::to_string).collect();
        let paused = self.rows.progress.paused;
        info!(
            command = command.word(),
            tables = tables.join(", "),
            "existing rows: request carried out"
        );
        Ok(Ok(SnapshotAnswer { tables, paused }))
    }

    async fn start(
        &mut self,
        chosen: Vec<TableProgress>,
        id: Option<&str>,
    ) -> Result<Result<Vec<TableName>, SnapshotRefused>, IntakeFault> {
        for one in &chosen {
            let table = one.table();
            let refused = self.relations.catalog().refuses(&table, one.filter.as_deref());
            if let Some(why) = refused.await.map_err(DeliveryError::Source)? {
                return Ok(Err(SnapshotRefused::Unreadable { table, why }));
            }
        }
        let tables = chosen.iter().map(TableProgress::table).collect();
        if let Some(id) = id
            && self.rows.progress.tables.is_empty()
        {
            self.rows.progress.id = id.to_owned();
        }
        for one in chosen {
            match self.rows.progress.find_mut(&one.table()) {
                Some(unread) => *unread = one,
                None => self.rows.progress.add(one),
            }
        }
        Ok(Ok(tables))
    }

    fn while_reading<O>(
        &mut self,
        change: impl FnOnce(&mut SnapshotProgress) -> Result<O, SnapshotRefused>,
    ) -> Result<O, SnapshotRefused> {
        if self.rows.progress.tables.iter().all(|table| table.unread) {
            return Err(SnapshotRefused::NothingIsRead);
        }
        change(&mut self.rows.progress)
    }

    fn reply_when_stored<A: Send + 'static>(&mut self, reply: Reply<A>, with: A) {
        self.parcel
            .notes
            .replies
            .push(Box::new(move || answer(reply, with)));
    }
}

fn set_paused(progress: &mut SnapshotProgress, paused: bool) -> Vec<TableName> {
    progress.paused = paused;
    progress.tables.iter().map(TableProgress::table).collect()
}

/// Who asked may have stopped waiting; then nobody is told.
fn answer<A>(reply: Reply<A>, with: A) {
    drop(reply.send(with));
}
