//! An instance: successive processes of the connector, as a supervisor starts them.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use tokio::sync::watch;
use tokio::time::{Duration, sleep};
use walcast_delivery::{
    CheckpointUpdate, Connector, ConnectorState, DeliveryError, Describe, Halt, Metrics, RetryJitter,
    SnapshotControl, SnapshotRequests,
};

use crate::damage;
use crate::mutation::{MutantSink, MutantSource, Mutation};
use crate::process::Process;
use crate::registry::RegistryClient;
use crate::requests;
use crate::rules::Rule;
use crate::sink::{CheckpointClient, SinkClient, TopicsClient};
use crate::source::SourceClient;
use crate::world::World;

/// Number of manual restarts after a halt, each of which must halt again.
const STARTS_AFTER_HALT: u32 = 2;

/// An instance of the connector.
pub(crate) struct Node {
    name: &'static str,
    world: Rc<World>,
    /// The running process.
    process: RefCell<Option<Rc<Process>>>,
    /// Control of the running process.
    control: RefCell<Option<SnapshotControl>>,
    /// State of the running process.
    state: RefCell<ConnectorState>,
    /// Requests the running process to stop.
    stop: watch::Sender<bool>,
    /// Whether no further process is started.
    is_finished: Cell<bool>,
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
            process: RefCell::default(),
            control: RefCell::default(),
            state: RefCell::default(),
            stop: watch::Sender::new(false),
            is_finished: Cell::new(false),
            has_halted: Cell::new(false),
            starts: Cell::new(0),
        }
    }

    /// Whether the instance has halted and is not restarted.
    pub(crate) fn has_halted(&self) -> bool {
        self.has_halted.get()
    }

    /// Acts on the running process, if any.
    pub(crate) fn with_process(&self, act: impl FnOnce(&Process)) {
        if let Some(process) = &*self.process.borrow() {
            act(process);
        }
        self.world.changed();
    }

    /// Control of the running process.
    pub(crate) fn control(&self) -> Option<SnapshotControl> {
        self.control.borrow().clone()
    }

    /// Control of the running process if it streams: an instance that stands by does not take requests.
    pub(crate) fn streaming_control(&self) -> Option<SnapshotControl> {
        let is_streaming = self.state.borrow().status.is_streaming();
        self.control().filter(|_| is_streaming)
    }

    /// Stops the running process; another one is started later.
    pub(crate) fn stop(&self) {
        self.stop.send_replace(true);
    }

    /// Stops the running process, which is the last.
    pub(crate) fn end(&self) {
        self.is_finished.set(true);
        self.stop.send_replace(true);
    }

    /// Starts processes until the end of the run or the last restart after a halt.
    pub(crate) async fn run(&self) {
        let mut halts = 0;
        while !self.is_finished.get() {
            self.stop.send_replace(false);
            let end = Box::pin(self.run_once()).await;
            *self.process.borrow_mut() = None;
            *self.control.borrow_mut() = None;
            match end {
                End::Died => {
                    self.world.cover("died");
                    self.note(|| "dies".to_owned());
                }
                End::Stopped => self.note(|| "stopped".to_owned()),
                End::Failed(error) => {
                    self.note(|| format!("ends: {error}"));
                    if self.check_end(&error) {
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
        let chance = |sides| world.has_faults.get() && world.dice.one_in(sides);
        let calls = chance(6).then(|| world.dice.roll(150));
        let frozen = chance(5).then(|| world.dice.roll(150));
        let polls = chance(6).then(|| world.dice.roll(600));
        let process = Rc::new(Process::new(self.name, calls, frozen));
        *self.process.borrow_mut() = Some(Rc::clone(&process));
        self.note(|| {
            format!("starts, to die after {calls:?} calls or {polls:?} polls, to be frozen after {frozen:?}")
        });
        let requests = SnapshotRequests::new();
        let control = requests.control();
        *self.control.borrow_mut() = Some(control.clone());
        let state = ConnectorState::default();
        *self.state.borrow_mut() = state.clone();
        let mut connector = Connector {
            source: MutantSource::new(SourceClient::new(world, &process)),
            checkpoints: CheckpointClient {
                world: Rc::clone(world),
                process: Rc::clone(&process),
            },
            sink: MutantSink::new(SinkClient::new(world, &process)),
            topics: TopicsClient {
                world: Rc::clone(world),
                process: Rc::clone(&process),
            },
            registry: RegistryClient {
                world: Rc::clone(world),
                process: Rc::clone(&process),
            },
            mapper: world.settings.mapper(),
            config: world.settings.delivery(),
            metrics: Metrics::default(),
            state,
            requests,
            describe: Describe::default(),
            retry_jitter: RetryJitter::seeded(self.starts.get()),
        };
        let mut stopped = self.stop.subscribe();
        let stop = async move { drop(stopped.wait_for(|stop| *stop).await) };
        let signals = requests::read_signal_topic(Rc::clone(world), control);
        let running = async {
            tokio::select! {
                biased;
                outcome = connector.run(stop) => outcome,
                () = signals => unreachable!("reading the signal topic never ends"),
            }
        };
        let outcome = process.run(Box::pin(running), polls).await;
        match outcome {
            None => End::Died,
            Some(Ok(())) => End::Stopped,
            Some(Err(error)) => End::Failed(error),
        }
    }

    /// Checks that a process ended for a known reason; returns whether it halted.
    fn check_end(&self, error: &DeliveryError) -> bool {
        let world = &self.world;
        match error {
            // The process was suspended, or the source hung, for longer than Kafka's transaction timeout.
            DeliveryError::Halt(Halt::TransactionTooSlow { .. }) => {
                world.cover("halt: too slow");
                false
            }
            DeliveryError::Halt(halt) => {
                world.cover(damage::name_of(halt));
                let damage = world.damage();
                if !damage::justifies(&damage, halt) {
                    world.report_violation(Rule::HaltsAreJustified, || {
                        format!("halts for {halt:?} while there is {damage:?}")
                    });
                }
                world.broker.borrow_mut().record_halt(self.name);
                if world.is_mutated(Mutation::WritesAfterHalt) {
                    self.write_checkpoint();
                }
                true
            }
            error if error.is_retryable() || error.is_fenced() => false,
            DeliveryError::Registry { .. } => false,
            DeliveryError::Source(fault) if fault.to_string().starts_with("slot ") => false,
            error => {
                world.report_violation(Rule::EndsAreExplained, || error.to_string());
                false
            }
        }
    }

    /// Writes a checkpoint, which no instance may do after a halt.
    fn write_checkpoint(&self) {
        let mut broker = self.world.broker.borrow_mut();
        if let Some(current) = broker.checkpoint().cloned() {
            let transaction = broker.begin(self.name);
            let update = CheckpointUpdate::of(current);
            broker.store(transaction, &update);
            broker.end(transaction, crate::broker::State::Committed);
        }
    }
}
