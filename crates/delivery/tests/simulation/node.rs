//! An instance: processes of the connector one after another, as a supervisor starts them.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use tokio::sync::watch;
use tokio::time::{Duration, sleep};
use walcast_delivery::{
    CheckpointUpdate, Connector, DeliveryError, Halt, Metrics, SnapshotControl, SnapshotRequests, Status,
};

use crate::damage;
use crate::life::Life;
use crate::mutation::{MutantSink, MutantSource, Mutation};
use crate::registry::RegistryClient;
use crate::requests;
use crate::rules::Rule;
use crate::sink::{SinkClient, TopicsClient};
use crate::source::SourceClient;
use crate::world::World;

/// How often a process that halted is started again by hand, to halt again.
const STARTS_AFTER_HALT: u32 = 2;

/// An instance of the connector.
pub(crate) struct Node {
    name: &'static str,
    world: Rc<World>,
    /// The process that runs now.
    life: RefCell<Option<Rc<Life>>>,
    /// The way into it.
    control: RefCell<Option<SnapshotControl>>,
    /// Asks the process that runs now to stop.
    stop: watch::Sender<bool>,
    /// No process is started any more.
    is_over: Cell<bool>,
    has_halted: Cell<bool>,
    pub(crate) starts: Cell<u64>,
}

/// How a process ended.
enum End {
    Died,
    Stopped,
    Failed(DeliveryError),
}

impl Node {
    pub(crate) fn new(name: &'static str, world: &Rc<World>) -> Self {
        Self {
            name,
            world: Rc::clone(world),
            life: RefCell::default(),
            control: RefCell::default(),
            stop: watch::Sender::new(false),
            is_over: Cell::new(false),
            has_halted: Cell::new(false),
            starts: Cell::new(0),
        }
    }

    /// Whether it halted, and is started no more.
    pub(crate) fn has_halted(&self) -> bool {
        self.has_halted.get()
    }

    /// Does something to the process that runs, if there is one.
    pub(crate) fn with_life(&self, act: impl FnOnce(&Life)) {
        if let Some(life) = &*self.life.borrow() {
            act(life);
        }
        self.world.changed();
    }

    /// The way into the process that runs.
    pub(crate) fn control(&self) -> Option<SnapshotControl> {
        self.control.borrow().clone()
    }

    /// Asks the process that runs to stop; another one is started later.
    pub(crate) fn stop(&self) {
        self.stop.send_replace(true);
    }

    /// Asks the process that runs to stop; it is the last.
    pub(crate) fn end(&self) {
        self.is_over.set(true);
        self.stop.send_replace(true);
    }

    /// Starts processes until it is over or they have halted often enough.
    pub(crate) async fn run(&self) {
        let mut halts = 0;
        while !self.is_over.get() {
            self.stop.send_replace(false);
            let end = Box::pin(self.run_once()).await;
            *self.life.borrow_mut() = None;
            *self.control.borrow_mut() = None;
            match end {
                End::Died => {
                    self.world.mark("died");
                    self.note(|| "dies".to_owned());
                }
                End::Stopped => self.note(|| "stopped".to_owned()),
                End::Failed(error) => {
                    self.note(|| format!("ends: {error}"));
                    if self.explain(&error) {
                        halts += 1;
                    }
                    if halts > STARTS_AFTER_HALT {
                        self.has_halted.set(true);
                        self.world.changed();
                        return;
                    }
                }
            }
            let pause_ms = 50 + self.world.dice.roll(2_000);
            sleep(Duration::from_millis(pause_ms)).await;
        }
    }

    fn note(&self, event: impl FnOnce() -> String) {
        self.world.trace.note(self.name, event);
    }

    async fn run_once(&self) -> End {
        let world = &self.world;
        self.starts.set(self.starts.get() + 1);
        let is_unlucky = |sides| world.is_stormy.get() && world.dice.one_in(sides);
        let calls = is_unlucky(6).then(|| world.dice.roll(150));
        let frozen = is_unlucky(5).then(|| world.dice.roll(150));
        let polls = is_unlucky(6).then(|| world.dice.roll(600));
        let life = Rc::new(Life::new(self.name, calls, frozen));
        *self.life.borrow_mut() = Some(Rc::clone(&life));
        self.note(|| {
            format!("starts, to die after {calls:?} calls or {polls:?} polls, to be frozen after {frozen:?}")
        });
        let requests = SnapshotRequests::new();
        let control = requests.control();
        *self.control.borrow_mut() = Some(control.clone());
        let mut connector = Connector {
            source: MutantSource::new(SourceClient::new(world, &life)),
            sink: MutantSink::new(SinkClient::new(world, &life)),
            topics: TopicsClient {
                world: Rc::clone(world),
                life: Rc::clone(&life),
            },
            registry: RegistryClient {
                world: Rc::clone(world),
                life: Rc::clone(&life),
            },
            mapper: world.settings.mapper(),
            config: world.settings.delivery(),
            metrics: Metrics::default(),
            requests,
            status: watch::Sender::new(Status::default()),
        };
        let mut stopped = self.stop.subscribe();
        let stop = async move { drop(stopped.wait_for(|stop| *stop).await) };
        let following = requests::follow(Rc::clone(world), control);
        let process = async {
            tokio::select! {
                biased;
                outcome = connector.run(stop) => outcome,
                () = following => unreachable!("a topic is followed for ever"),
            }
        };
        let outcome = life.live(Box::pin(process), polls).await;
        match outcome {
            None => End::Died,
            Some(Ok(())) => End::Stopped,
            Some(Err(error)) => End::Failed(error),
        }
    }

    /// Whether a process that ended by itself did so for a good reason; true when it halted.
    fn explain(&self, error: &DeliveryError) -> bool {
        let world = &self.world;
        match error {
            // Its process was held up, or the source hung, for longer than Kafka waits.
            DeliveryError::Halt(Halt::TransactionTooSlow { .. }) => {
                world.mark("halt: too slow");
                false
            }
            DeliveryError::Halt(halt) => {
                world.mark(damage::name_of(halt));
                let damage = world.damage();
                if !damage::justifies(&damage, halt) {
                    world.breach(Rule::HaltsAreRight, || {
                        format!("halts for {halt:?} while there is {damage:?}")
                    });
                }
                world.broker.borrow_mut().note_halt(self.name);
                if world.is_mutated(Mutation::WritesAfterHalt) {
                    self.write_checkpoint();
                }
                true
            }
            error if error.is_retryable() || error.is_fenced() => false,
            DeliveryError::Registry { .. } => false,
            DeliveryError::Source(fault) if fault.to_string().starts_with("slot ") => false,
            error => {
                world.breach(Rule::EndsAreExplained, || error.to_string());
                false
            }
        }
    }

    /// Writes the checkpoint once more, as nothing should.
    fn write_checkpoint(&self) {
        let mut broker = self.world.broker.borrow_mut();
        if let Some(current) = broker.checkpoint().cloned() {
            let transaction = broker.begin(self.name);
            let update = CheckpointUpdate {
                current,
                enters_history: false,
                expired: Vec::new(),
                known_tables: None,
            };
            broker.store(transaction, &update);
            broker.end(transaction, crate::broker::State::Committed);
        }
    }
}
