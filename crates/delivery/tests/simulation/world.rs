//! The shared state of a run, and the function through which every modelled system is called.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

use tokio::sync::watch;
use tokio::time::{Duration, Instant, sleep};
use walcast_delivery::BoxedPortError;
use walcast_mapper::config::Operation;

use crate::broker::Broker;
use crate::damage::{self, Damage};
use crate::database::Database;
use crate::dice::Dice;
use crate::fault::SimFault;
use crate::mutation::Mutation;
use crate::process::Process;
use crate::registry::Schemas;
use crate::requests::Requests;
use crate::rules::{Rule, Violation};
use crate::settings::Settings;
use crate::trace::Trace;

/// Time after which a client abandons a call to an unavailable system.
const TIMEOUT: Duration = Duration::from_secs(8);

/// Longest suspension of a process, which exceeds Kafka's `transaction.timeout.ms` here.
const FROZEN_MAX_MS: u64 = 80_000;
/// Longest short suspension, in which another instance can become the leader.
const FROZEN_SHORT_MS: u64 = 6_000;

/// One seed in this number has a partitioned table.
const PARTITIONED_EVERY: u64 = 8;
/// One seed in this number has replays and repairs.
const REPLAYED_EVERY: u64 = 16;
/// The place of these seeds among so many: the recorded seeds, and those of the documents, have other places and keep their runs.
const REPLAYED_PLACE: u64 = 12;
/// Makes the dice of the partitioned table differ from the others.
const PARTITION_SALT: u64 = 0x5EED_1EAF;

/// A system that can be unavailable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum System {
    Database,
    Broker,
    Registry,
}

/// The outcome of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Succeeds,
    /// The call has no effect and fails.
    FailsBefore,
    /// The call takes effect, and its answer is lost.
    FailsAfter,
}

/// The state of a run.
pub(crate) struct World {
    pub(crate) dice: Dice,
    /// Dice of the partitioned table.
    pub(crate) partition_dice: Dice,
    pub(crate) trace: Trace,
    pub(crate) settings: Settings,
    pub(crate) mutation: Option<Mutation>,
    pub(crate) database: RefCell<Database>,
    pub(crate) broker: RefCell<Broker>,
    pub(crate) registry: RefCell<Schemas>,
    pub(crate) requests: RefCell<Requests>,
    /// Whether all replays of the run have ended.
    pub(crate) are_replays_done: Cell<bool>,
    /// Whether the last comparison has found no difference.
    pub(crate) is_repaired: Cell<bool>,
    pub(crate) violations: RefCell<Vec<Violation>>,
    /// Whether faults occur; they stop at the end of a run, so that it must complete.
    pub(crate) has_faults: Cell<bool>,
    /// Whether the final stop was requested: later answers are not checked.
    pub(crate) is_finished: Cell<bool>,
    /// Number of occurrences of each situation, to check the coverage of the seeds.
    coverage: RefCell<BTreeMap<&'static str, u64>>,
    changes: watch::Sender<u64>,
}

impl World {
    pub(crate) fn new(seed: u64, mutation: Option<Mutation>, is_traced: bool) -> Self {
        let dice = Dice::new(seed);
        let mut settings = Settings::draw(&dice);
        settings.has_partitions = seed % PARTITIONED_EVERY == PARTITIONED_EVERY - 1;
        settings.has_replays = seed % REPLAYED_EVERY == REPLAYED_PLACE;
        let mut database = Database::new(settings.server_version);
        if settings.has_partitions {
            database.add_partitioned_table();
        }
        Self {
            trace: Trace::new(is_traced),
            mutation,
            database: RefCell::new(database),
            broker: RefCell::new(Broker::new(settings.transaction_timeout)),
            registry: RefCell::default(),
            requests: RefCell::default(),
            are_replays_done: Cell::new(!settings.has_replays),
            is_repaired: Cell::new(!settings.has_replays),
            violations: RefCell::default(),
            has_faults: Cell::new(true),
            is_finished: Cell::new(false),
            coverage: RefCell::default(),
            changes: watch::Sender::new(0),
            dice,
            partition_dice: Dice::new(seed ^ PARTITION_SALT),
            settings,
        }
    }

    pub(crate) fn is_mutated(&self, mutation: Mutation) -> bool {
        self.mutation == Some(mutation)
    }

    /// Whether an operation is emitted.
    pub(crate) fn emits_operation(&self, operation: Operation) -> bool {
        self.settings.mapper().events.operations.contains(&operation)
    }

    /// Records the violation of a rule.
    pub(crate) fn report_violation(&self, rule: Rule, text: impl FnOnce() -> String) {
        let text = text();
        self.trace.note("CHECK", || format!("{rule:?}: {text}"));
        self.violations.borrow_mut().push(Violation { rule, text });
    }

    /// Records a situation that not every run covers.
    pub(crate) fn cover(&self, situation: &'static str) {
        *self.coverage.borrow_mut().entry(situation).or_default() += 1;
    }

    pub(crate) fn coverage(&self) -> BTreeMap<&'static str, u64> {
        self.coverage.borrow().clone()
    }

    /// Current damage of the source, with which streaming would lose or invent changes.
    pub(crate) fn damage(&self) -> Vec<Damage> {
        damage::find(&self.database.borrow(), &self.broker.borrow())
    }

    /// Notifies waiters that the state of a modelled system has changed.
    pub(crate) fn changed(&self) {
        self.changes.send_modify(|changes| *changes += 1);
    }

    /// Waits for a condition over the modelled systems.
    pub(crate) async fn until(&self, mut holds: impl FnMut() -> bool) {
        let mut changes = self.changes.subscribe();
        while !holds() {
            changes.changed().await.expect("the sender is in the same world");
        }
    }

    pub(crate) fn is_unavailable(&self, system: System) -> bool {
        match system {
            System::Database => self.database.borrow().is_unavailable,
            System::Broker => self.broker.borrow().is_unavailable,
            System::Registry => self.registry.borrow().is_unavailable,
        }
    }

    /// Waits for an unavailable system, up to a limit.
    pub(crate) async fn wait_available(
        &self,
        process: &Process,
        system: System,
    ) -> Result<(), BoxedPortError> {
        if !self.is_unavailable(system) {
            return Ok(());
        }
        let waited = tokio::time::timeout(TIMEOUT, self.until(|| !self.is_unavailable(system))).await;
        if waited.is_err() {
            self.cover("no answer");
            self.trace
                .note(process.name, || format!("{system:?} is unavailable"));
            return Err(SimFault::Transient("no answer").into());
        }
        Ok(())
    }

    /// The network delay of a request or an answer, during which the process may die or be suspended.
    pub(crate) async fn network_delay(&self, process: &Process) {
        process.step().await;
        if process.freezes_here() {
            self.freeze(process);
        }
        match self.dice.roll(16) {
            0..10 => tokio::task::yield_now().await,
            10..15 => sleep(Duration::from_millis(1 + self.dice.roll(4))).await,
            _ => sleep(Duration::from_millis(1 + self.dice.roll(200))).await,
        }
    }

    /// Suspends a process for a while, during which the server may end its connections and another instance may lead.
    pub(crate) fn freeze(&self, process: &Process) {
        let most_ms = *self.dice.pick(&[FROZEN_SHORT_MS, FROZEN_SHORT_MS, FROZEN_MAX_MS]);
        let frozen_ms = self.dice.roll(most_ms);
        self.cover("frozen");
        self.trace
            .note(process.name, || format!("is frozen for {frozen_ms} ms"));
        process.freeze_until(Instant::now() + Duration::from_millis(frozen_ms));
        if !self.dice.one_in(4) {
            self.database.borrow_mut().disconnect_all();
        }
        self.changed();
    }

    /// Makes a call: the request, its effect and the answer, each of which may fail.
    pub(crate) async fn call<T>(
        &self,
        process: &Process,
        name: &'static str,
        effect: impl FnOnce() -> Result<T, SimFault>,
    ) -> Result<T, BoxedPortError> {
        self.network_delay(process).await;
        let planned = self.draw_outcome();
        if planned == Outcome::FailsBefore {
            self.trace.note(process.name, || format!("{name}: fails"));
            return Err(SimFault::Transient("connection lost").into());
        }
        let outcome = effect();
        if let Err(fault) = &outcome {
            self.cover(fault.text());
        }
        self.trace.note(process.name, || match &outcome {
            Ok(_) if planned == Outcome::FailsAfter => format!("{name}: succeeds, its answer is lost"),
            Ok(_) => name.to_owned(),
            Err(fault) => format!("{name}: {fault}"),
        });
        self.changed();
        self.network_delay(process).await;
        if planned == Outcome::FailsAfter {
            return Err(SimFault::Transient("connection lost").into());
        }
        Ok(outcome?)
    }

    fn draw_outcome(&self) -> Outcome {
        if !self.draws_fault() {
            return Outcome::Succeeds;
        }
        if self.dice.one_in(2) {
            Outcome::FailsBefore
        } else {
            Outcome::FailsAfter
        }
    }

    /// Draws whether a fault occurs.
    pub(crate) fn draws_fault(&self) -> bool {
        self.has_faults.get()
            && self.settings.fault_one_in > 0
            && self.dice.one_in(self.settings.fault_one_in)
    }
}
