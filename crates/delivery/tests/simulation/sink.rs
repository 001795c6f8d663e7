//! The client of a process for the modelled broker.

use std::rc::Rc;

use walcast_delivery::{BoxedPortError, CheckpointLog, CheckpointStore, CheckpointUpdate, Sink, Topics};
use walcast_mapper::{RecordBuffer, RecordLimits};

use crate::broker::State;
use crate::fault::SimFault;
use crate::process::Process;
use crate::world::{System, World};

/// The producer of a process.
pub(crate) struct SinkClient {
    pub(crate) world: Rc<World>,
    pub(crate) process: Rc<Process>,
    /// `None` when the producer must be recreated: before the first use, or because its state is unknown.
    pub(crate) session: Option<Session>,
}

/// A producer session.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Session {
    epoch: u64,
    transaction: Option<usize>,
}

/// The result of a commit that the client receives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    Committed,
    /// The commit took effect, or not, or is still in flight.
    InDoubt(State),
}

impl SinkClient {
    pub(crate) fn new(world: &Rc<World>, process: &Rc<Process>) -> Self {
        Self {
            world: Rc::clone(world),
            process: Rc::clone(process),
            session: None,
        }
    }

    fn opened(&self) -> Result<Session, SimFault> {
        self.session
            .ok_or(SimFault::Transient("the producer is not open"))
    }

    /// Commits records and checkpoint; a commit of only one of them is a mutation.
    pub(crate) async fn commit_parts(
        &mut self,
        has_records: bool,
        checkpoint: Option<&CheckpointUpdate>,
    ) -> Result<(), BoxedPortError> {
        let world = Rc::clone(&self.world);
        // The state of the producer is unknown until the commit returns.
        let session = self.opened()?;
        self.session = None;
        world.wait_available(&self.process, System::Broker).await?;
        let answer = self.draw_answer();
        let state = match answer {
            Answer::Committed => State::Committed,
            Answer::InDoubt(state) => state,
        };
        let commit = || {
            let mut broker = world.broker.borrow_mut();
            broker.admit(session.epoch, session.transaction)?;
            let records = session.transaction.filter(|_| has_records);
            let transaction = records.unwrap_or_else(|| broker.begin(self.process.name));
            if let Some(update) = checkpoint {
                broker.store(transaction, update);
                if update.current.partial.is_some() {
                    world.cover("split");
                }
            }
            broker.end(transaction, state);
            Ok(())
        };
        world.trace.note(self.process.name, || {
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
        world.call(&self.process, "commit", commit).await?;
        if answer != Answer::Committed {
            world.cover(match state {
                State::Committed => "in doubt, committed",
                State::Committing => "in doubt, in flight",
                State::Open | State::Aborted => "in doubt, aborted",
            });
            return Err(SimFault::Transient("the commit is in doubt").into());
        }
        self.session = Some(Session {
            transaction: session.transaction.filter(|_| !has_records),
            ..session
        });
        Ok(())
    }

    /// Stores records in the open transaction, or in a new one.
    pub(crate) async fn write_kept(&mut self, batch: &RecordBuffer) -> Result<(), BoxedPortError> {
        let (world, process) = (Rc::clone(&self.world), Rc::clone(&self.process));
        let session = self.opened()?;
        world.wait_available(&process, System::Broker).await?;
        world.trace.note(process.name, || {
            let ids = batch.records().map(|record| {
                let id = record.headers().find(|header| header.name == "walcast.id");
                let id = id.and_then(|header| header.value).unwrap_or_default();
                String::from_utf8_lossy(id).into_owned()
            });
            format!("writes {}", ids.collect::<Vec<_>>().join(" "))
        });
        let open = &mut self.session;
        let write = || {
            let mut broker = world.broker.borrow_mut();
            broker.admit(session.epoch, session.transaction)?;
            let transaction = session.transaction.unwrap_or_else(|| broker.begin(process.name));
            broker.write(transaction, batch);
            *open = Some(Session {
                transaction: Some(transaction),
                ..session
            });
            Ok(())
        };
        world.call(&process, "write", write).await
    }

    fn draw_answer(&self) -> Answer {
        let world = &self.world;
        if !world.draws_fault() {
            return Answer::Committed;
        }
        Answer::InDoubt(
            *world
                .dice
                .pick(&[State::Committed, State::Open, State::Committing]),
        )
    }

    /// Assumes that the open transaction was committed.
    pub(crate) fn assume_committed(&mut self, session: Option<Session>) {
        self.session = session.map(|session| Session {
            transaction: None,
            ..session
        });
    }

    /// Continues as if it had not been fenced, in a new transaction, which no real producer can.
    pub(crate) fn ignore_fence(&mut self) {
        self.session = Some(Session {
            epoch: self.world.broker.borrow().epoch,
            transaction: None,
        });
    }
}

/// The reader of the checkpoint topic of a process.
pub(crate) struct CheckpointClient {
    pub(crate) world: Rc<World>,
    pub(crate) process: Rc<Process>,
}

impl CheckpointClient {
    async fn log(&self, call: &'static str) -> Result<CheckpointLog, BoxedPortError> {
        let (world, process) = (&self.world, &self.process);
        world.wait_available(process, System::Broker).await?;
        let read = || Ok(world.broker.borrow().checkpoint_log());
        world.call(process, call, read).await
    }
}

impl CheckpointStore for CheckpointClient {
    async fn peek(&self) -> Result<CheckpointLog, BoxedPortError> {
        self.log("peek at the checkpoint").await
    }

    async fn read(&self) -> Result<CheckpointLog, BoxedPortError> {
        self.log("read checkpoint without a producer").await
    }
}

impl Sink for SinkClient {
    async fn open(&mut self) -> Result<CheckpointLog, BoxedPortError> {
        self.session = None;
        let (world, process) = (Rc::clone(&self.world), Rc::clone(&self.process));
        world.wait_available(&process, System::Broker).await?;
        let arrived = world.dice.one_in(2);
        let fence = || Ok(world.broker.borrow_mut().fence(arrived));
        let epoch = world.call(&process, "init transactions", fence).await?;
        let read = || Ok(world.broker.borrow().checkpoint_log());
        let log: CheckpointLog = world.call(&process, "read checkpoint", read).await?;
        self.session = Some(Session {
            epoch,
            transaction: None,
        });
        world.trace.note(process.name, || {
            let at = log.current.as_ref().map(|checkpoint| checkpoint.end_lsn);
            format!("epoch {epoch}, checkpoint {at:?}")
        });
        Ok(log)
    }

    async fn write(&mut self, mut batch: RecordBuffer) -> Result<RecordBuffer, BoxedPortError> {
        self.write_kept(&batch).await?;
        batch.clear(usize::MAX);
        Ok(batch)
    }

    async fn commit(&mut self, update: &CheckpointUpdate) -> Result<(), BoxedPortError> {
        self.commit_parts(true, Some(update)).await
    }

    async fn abort(&mut self) -> Result<(), BoxedPortError> {
        let (world, process) = (Rc::clone(&self.world), Rc::clone(&self.process));
        let Some(session) = self.session.take() else {
            return Ok(());
        };
        world.wait_available(&process, System::Broker).await?;
        let abort = || {
            let mut broker = world.broker.borrow_mut();
            broker.admit(session.epoch, session.transaction)?;
            if let Some(transaction) = session.transaction {
                broker.end(transaction, State::Aborted);
            }
            Ok(())
        };
        world.call(&process, "abort", abort).await?;
        self.session = Some(Session {
            transaction: None,
            ..session
        });
        Ok(())
    }
}

/// The broker's topics, as a port.
pub(crate) struct TopicsClient {
    pub(crate) world: Rc<World>,
    pub(crate) process: Rc<Process>,
}

impl Topics for TopicsClient {
    // The fake has no client-side cache.
    fn forget(&mut self) {}

    async fn ensure(&mut self, topic: &str) -> Result<(), BoxedPortError> {
        let world = &self.world;
        world.wait_available(&self.process, System::Broker).await?;
        let ensure = || {
            world.broker.borrow_mut().ensure_topic(topic);
            Ok(())
        };
        world.call(&self.process, "ensure topic", ensure).await
    }

    async fn ensure_dead_letters(&mut self, topic: &str) -> Result<(), BoxedPortError> {
        self.ensure(topic).await
    }

    // A simulated connector never starts on a slot without a checkpoint.
    async fn has_records(&mut self, _: &str) -> Result<bool, BoxedPortError> {
        Ok(true)
    }

    // No record is too large here.
    async fn limits(&mut self, _: &str) -> Result<RecordLimits, BoxedPortError> {
        Ok(RecordLimits {
            key_and_value: usize::MAX,
            whole: usize::MAX,
            taken: usize::MAX,
        })
    }

    // Every topic has the partitions that rows name.
    async fn partitions(&mut self, _: &str) -> Result<i32, BoxedPortError> {
        Ok(i32::MAX)
    }

    // No topic is compacted here.
    async fn is_compacted(&mut self, _: &str) -> Result<bool, BoxedPortError> {
        Ok(false)
    }
}
