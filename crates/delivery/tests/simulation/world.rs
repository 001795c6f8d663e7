//! What all parts of a run share, and the one way in which a modelled system is called.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

use tokio::sync::watch;
use tokio::time::{Duration, Instant, sleep};
use walcast_delivery::BoxedFault;
use walcast_mapper::Operation;

use crate::broker::Broker;
use crate::damage::{self, Damage};
use crate::database::Database;
use crate::dice::Dice;
use crate::fault::SimFault;
use crate::life::Life;
use crate::mutation::Mutation;
use crate::registry::Schemas;
use crate::requests::Requests;
use crate::rules::{Breach, Rule};
use crate::settings::Settings;
use crate::trace::Trace;

/// How long a client waits for a system that is away before it gives up.
const PATIENCE: Duration = Duration::from_secs(8);

/// The longest that a process is not scheduled: longer than Kafka's `transaction.timeout.ms` here.
const FROZEN_MAX_MS: u64 = 80_000;
/// Long enough for another instance to lead.
const FROZEN_SHORT_MS: u64 = 6_000;

/// What can be away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum System {
    Database,
    Broker,
    Registry,
}

/// How one call turns out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Luck {
    Good,
    /// It has no effect and fails.
    FailsBefore,
    /// It takes effect, and its answer is lost.
    FailsAfter,
}

/// Everything there is in a run.
pub(crate) struct World {
    pub(crate) dice: Dice,
    pub(crate) trace: Trace,
    pub(crate) settings: Settings,
    pub(crate) mutation: Option<Mutation>,
    pub(crate) database: RefCell<Database>,
    pub(crate) broker: RefCell<Broker>,
    pub(crate) registry: RefCell<Schemas>,
    pub(crate) requests: RefCell<Requests>,
    pub(crate) breaches: RefCell<Vec<Breach>>,
    /// Whether faults happen; at the end of a run none do, so that it must come to its end.
    pub(crate) is_stormy: Cell<bool>,
    /// Processes are asked to stop for the last time: what is answered from now on is left to another run.
    pub(crate) is_over: Cell<bool>,
    /// What happened how often, to tell whether seeds come to all that they should.
    marks: RefCell<BTreeMap<&'static str, u64>>,
    changes: watch::Sender<u64>,
}

impl World {
    pub(crate) fn new(seed: u64, mutation: Option<Mutation>, is_traced: bool) -> Self {
        let dice = Dice::new(seed);
        let settings = Settings::draw(&dice);
        Self {
            trace: Trace::new(is_traced),
            mutation,
            database: RefCell::new(Database::new(settings.server_version)),
            broker: RefCell::new(Broker::new(settings.transaction_timeout)),
            registry: RefCell::default(),
            requests: RefCell::default(),
            breaches: RefCell::default(),
            is_stormy: Cell::new(true),
            is_over: Cell::new(false),
            marks: RefCell::default(),
            changes: watch::Sender::new(0),
            dice,
            settings,
        }
    }

    pub(crate) fn is_mutated(&self, mutation: Mutation) -> bool {
        self.mutation == Some(mutation)
    }

    /// Whether an operation makes records.
    pub(crate) fn mapper_tells(&self, operation: Operation) -> bool {
        self.settings.mapper().events.operations.contains(&operation)
    }

    /// A rule was broken.
    pub(crate) fn breach(&self, rule: Rule, what: impl FnOnce() -> String) {
        let what = what();
        self.trace.note("CHECK", || format!("{rule:?}: {what}"));
        self.breaches.borrow_mut().push(Breach { rule, what });
    }

    /// Something happened that not every run comes to.
    pub(crate) fn mark(&self, what: &'static str) {
        *self.marks.borrow_mut().entry(what).or_default() += 1;
    }

    pub(crate) fn marks(&self) -> BTreeMap<&'static str, u64> {
        self.marks.borrow().clone()
    }

    /// What is wrong with the source now, in the sense that streaming on would lose or invent changes.
    pub(crate) fn damage(&self) -> Vec<Damage> {
        damage::find(&self.database.borrow(), &self.broker.borrow())
    }

    /// Something that a condition may depend on has changed.
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

    pub(crate) fn is_away(&self, system: System) -> bool {
        match system {
            System::Database => self.database.borrow().is_away,
            System::Broker => self.broker.borrow().is_away,
            System::Registry => self.registry.borrow().is_away,
        }
    }

    /// Waits for a system that is away, for a while.
    pub(crate) async fn reach(&self, life: &Life, system: System) -> Result<(), BoxedFault> {
        if !self.is_away(system) {
            return Ok(());
        }
        let waited = tokio::time::timeout(PATIENCE, self.until(|| !self.is_away(system))).await;
        if waited.is_err() {
            self.mark("nobody answers");
            self.trace.note(life.name, || format!("{system:?} is away"));
            return Err(SimFault::Passing("nobody answers").into());
        }
        Ok(())
    }

    /// The way to a system or back, which takes a moment and which not everybody survives.
    pub(crate) async fn travel(&self, life: &Life) {
        life.step().await;
        if life.freezes_here() {
            self.freeze(life);
        }
        match self.dice.roll(16) {
            0..10 => tokio::task::yield_now().await,
            10..15 => sleep(Duration::from_millis(1 + self.dice.roll(4))).await,
            _ => sleep(Duration::from_millis(1 + self.dice.roll(200))).await,
        }
    }

    /// A process is not scheduled for a while, and its server may think it dead meanwhile: then another one leads.
    pub(crate) fn freeze(&self, life: &Life) {
        let most_ms = *self.dice.pick(&[FROZEN_SHORT_MS, FROZEN_SHORT_MS, FROZEN_MAX_MS]);
        let frozen_ms = self.dice.roll(most_ms);
        self.mark("frozen");
        self.trace
            .note(life.name, || format!("is frozen for {frozen_ms} ms"));
        life.freeze_until(Instant::now() + Duration::from_millis(frozen_ms));
        if !self.dice.one_in(4) {
            self.database.borrow_mut().disconnect_all();
        }
        self.changed();
    }

    /// Makes a call: the way there, its effect, the way back; each of which may fail.
    pub(crate) async fn call<T>(
        &self,
        life: &Life,
        name: &'static str,
        effect: impl FnOnce() -> Result<T, SimFault>,
    ) -> Result<T, BoxedFault> {
        self.travel(life).await;
        let luck = self.luck();
        if luck == Luck::FailsBefore {
            self.trace.note(life.name, || format!("{name}: fails"));
            return Err(SimFault::Passing("connection lost").into());
        }
        let outcome = effect();
        if let Err(fault) = &outcome {
            self.mark(fault.text());
        }
        self.trace.note(life.name, || match &outcome {
            Ok(_) if luck == Luck::FailsAfter => format!("{name}: done, its answer is lost"),
            Ok(_) => name.to_owned(),
            Err(fault) => format!("{name}: {fault}"),
        });
        self.changed();
        self.travel(life).await;
        if luck == Luck::FailsAfter {
            return Err(SimFault::Passing("connection lost").into());
        }
        Ok(outcome?)
    }

    fn luck(&self) -> Luck {
        if !self.is_bad_luck() {
            return Luck::Good;
        }
        if self.dice.one_in(2) {
            Luck::FailsBefore
        } else {
            Luck::FailsAfter
        }
    }

    /// Whether one more thing goes wrong.
    pub(crate) fn is_bad_luck(&self) -> bool {
        self.is_stormy.get() && self.settings.fault_one_in > 0 && self.dice.one_in(self.settings.fault_one_in)
    }
}
