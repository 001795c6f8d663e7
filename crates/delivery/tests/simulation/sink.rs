//! One process's way to the modelled broker.

use std::rc::Rc;

use walcast_delivery::{BoxedFault, CheckpointLog, CheckpointUpdate, Sink, Topics};
use walcast_mapper::{Batch, RecordLimits};

use crate::broker::State;
use crate::fault::SimFault;
use crate::life::Life;
use crate::world::{System, World};

/// One process's producer.
pub(crate) struct SinkClient {
    pub(crate) world: Rc<World>,
    pub(crate) life: Rc<Life>,
    /// `None` when it has to be made anew: before the first use, or because its state is not known.
    pub(crate) session: Option<Session>,
}

/// A producer that was made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Session {
    epoch: u64,
    transaction: Option<usize>,
}

/// What the client learns of its commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    Good,
    /// It was done, or not, or is still on its way.
    InDoubt(State),
}

impl SinkClient {
    pub(crate) fn new(world: &Rc<World>, life: &Rc<Life>) -> Self {
        Self {
            world: Rc::clone(world),
            life: Rc::clone(life),
            session: None,
        }
    }

    fn opened(&self) -> Result<Session, SimFault> {
        self.session.ok_or(SimFault::Passing("the producer is not open"))
    }

    /// Commits; records without a checkpoint or the other way round are a mistake that is made on purpose.
    pub(crate) async fn commit_parts(
        &mut self,
        has_records: bool,
        checkpoint: Option<&CheckpointUpdate>,
    ) -> Result<(), BoxedFault> {
        let world = Rc::clone(&self.world);
        // From here on it is not known how it stands until it is answered.
        let session = self.opened()?;
        self.session = None;
        world.reach(&self.life, System::Broker).await?;
        let answer = self.draw_answer();
        let state = match answer {
            Answer::Good => State::Committed,
            Answer::InDoubt(state) => state,
        };
        let commit = || {
            let mut broker = world.broker.borrow_mut();
            broker.admit(session.epoch, session.transaction)?;
            let records = session.transaction.filter(|_| has_records);
            let transaction = records.unwrap_or_else(|| broker.begin(self.life.name));
            if let Some(update) = checkpoint {
                broker.store(transaction, update);
                if update.current.partial.is_some() {
                    world.mark("split");
                }
            }
            broker.end(transaction, state);
            Ok(())
        };
        world.trace.note(self.life.name, || {
            let current = checkpoint.map(|update| &update.current);
            let at = current.map(|current| current.end_lsn);
            let signals = current.and_then(|current| current.signals_read);
            let progress = current.and_then(|current| current.snapshot.as_ref());
            let tables = progress.into_iter().flat_map(|progress| &progress.tables);
            let left: Vec<String> = tables
                .map(|table| format!("{} {:?}", table.table(), table.filter))
                .collect();
            format!("commits with checkpoint {at:?}, signals {signals:?}, left {left:?}: {answer:?}")
        });
        world.call(&self.life, "commit", commit).await?;
        if answer != Answer::Good {
            world.mark(match state {
                State::Committed => "in doubt, done",
                State::Committing => "in doubt, on its way",
                State::Open | State::Aborted => "in doubt, not done",
            });
            return Err(SimFault::Passing("the commit is in doubt").into());
        }
        self.session = Some(Session {
            transaction: session.transaction.filter(|_| !has_records),
            ..session
        });
        Ok(())
    }

    /// Stores records in the open transaction, or in a new one.
    pub(crate) async fn write_kept(&mut self, batch: &Batch) -> Result<(), BoxedFault> {
        let (world, life) = (Rc::clone(&self.world), Rc::clone(&self.life));
        let session = self.opened()?;
        world.reach(&life, System::Broker).await?;
        world.trace.note(life.name, || {
            let ids = batch.records().map(|record| {
                let id = record.headers().find(|header| header.name == "walcast.id");
                id.map_or_else(String::new, |id| String::from_utf8_lossy(id.value).into_owned())
            });
            format!("writes {}", ids.collect::<Vec<_>>().join(" "))
        });
        let open = &mut self.session;
        let write = || {
            let mut broker = world.broker.borrow_mut();
            broker.admit(session.epoch, session.transaction)?;
            let transaction = session.transaction.unwrap_or_else(|| broker.begin(life.name));
            broker.write(transaction, batch);
            *open = Some(Session {
                transaction: Some(transaction),
                ..session
            });
            Ok(())
        };
        world.call(&life, "write", write).await
    }

    fn draw_answer(&self) -> Answer {
        let world = &self.world;
        if !world.is_bad_luck() {
            return Answer::Good;
        }
        Answer::InDoubt(
            *world
                .dice
                .pick(&[State::Committed, State::Open, State::Committing]),
        )
    }

    /// Whatever is open is believed to be done.
    pub(crate) fn believe_committed(&mut self, session: Option<Session>) {
        self.session = session.map(|session| Session {
            transaction: None,
            ..session
        });
    }

    /// Goes on as if it had not been fenced, in a transaction of its own: no real producer can.
    pub(crate) fn ignore_fence(&mut self) {
        self.session = Some(Session {
            epoch: self.world.broker.borrow().epoch,
            transaction: None,
        });
    }
}

impl Sink for SinkClient {
    async fn peek(&mut self) -> Result<CheckpointLog, BoxedFault> {
        let (world, life) = (Rc::clone(&self.world), Rc::clone(&self.life));
        world.reach(&life, System::Broker).await?;
        let read = || Ok(world.broker.borrow().checkpoint_log());
        world.call(&life, "peek at the checkpoint", read).await
    }

    async fn open(&mut self) -> Result<CheckpointLog, BoxedFault> {
        self.session = None;
        let (world, life) = (Rc::clone(&self.world), Rc::clone(&self.life));
        world.reach(&life, System::Broker).await?;
        let arrived = world.dice.one_in(2);
        let fence = || Ok(world.broker.borrow_mut().fence(arrived));
        let epoch = world.call(&life, "init transactions", fence).await?;
        let read = || Ok(world.broker.borrow().checkpoint_log());
        let log: CheckpointLog = world.call(&life, "read checkpoint", read).await?;
        self.session = Some(Session {
            epoch,
            transaction: None,
        });
        world.trace.note(life.name, || {
            let at = log.current.as_ref().map(|checkpoint| checkpoint.end_lsn);
            format!("epoch {epoch}, checkpoint {at:?}")
        });
        Ok(log)
    }

    async fn write(&mut self, mut batch: Batch) -> Result<Batch, BoxedFault> {
        self.write_kept(&batch).await?;
        batch.clear(usize::MAX);
        Ok(batch)
    }

    async fn commit(&mut self, update: &CheckpointUpdate) -> Result<(), BoxedFault> {
        self.commit_parts(true, Some(update)).await
    }

    async fn abort(&mut self) -> Result<(), BoxedFault> {
        let (world, life) = (Rc::clone(&self.world), Rc::clone(&self.life));
        let Some(session) = self.session.take() else {
            return Ok(());
        };
        world.reach(&life, System::Broker).await?;
        let abort = || {
            let mut broker = world.broker.borrow_mut();
            broker.admit(session.epoch, session.transaction)?;
            if let Some(transaction) = session.transaction {
                broker.end(transaction, State::Aborted);
            }
            Ok(())
        };
        world.call(&life, "abort", abort).await?;
        self.session = Some(Session {
            transaction: None,
            ..session
        });
        Ok(())
    }
}

/// The broker, as the place of topics.
pub(crate) struct TopicsClient {
    pub(crate) world: Rc<World>,
    pub(crate) life: Rc<Life>,
}

impl Topics for TopicsClient {
    // Nothing is remembered on the client's side.
    fn forget(&mut self) {}

    async fn ensure(&mut self, topic: &str) -> Result<(), BoxedFault> {
        let world = &self.world;
        world.reach(&self.life, System::Broker).await?;
        let ensure = || {
            world.broker.borrow_mut().ensure_topic(topic);
            Ok(())
        };
        world.call(&self.life, "ensure topic", ensure).await
    }

    async fn ensure_dead_letters(&mut self, topic: &str) -> Result<(), BoxedFault> {
        self.ensure(topic).await
    }

    // Nothing is too large here.
    async fn limits(&mut self, _: &str) -> Result<RecordLimits, BoxedFault> {
        Ok(RecordLimits {
            key_and_value: usize::MAX,
            whole: usize::MAX,
            taken: usize::MAX,
        })
    }
}
