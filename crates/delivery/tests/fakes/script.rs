//! Faults laid out beforehand, and the one way in which every modelled call is made.

use std::cell::RefCell;
use std::fmt::Debug;
use std::rc::Rc;
use std::time::Duration;

use walcast_delivery::{BoxedFault, Fault};

use super::steps::Steps;

/// What a modelled system says when it fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub(crate) struct TestFault {
    text: &'static str,
    retryable: bool,
    fenced: bool,
    incompatible: bool,
    about_rows: bool,
}

impl TestFault {
    /// Time can heal it.
    pub(crate) const fn passing(text: &'static str) -> Self {
        Self {
            text,
            retryable: true,
            fenced: false,
            incompatible: false,
            about_rows: false,
        }
    }

    /// Somebody has to do something.
    pub(crate) const fn lasting(text: &'static str) -> Self {
        Self {
            text,
            retryable: false,
            fenced: false,
            incompatible: false,
            about_rows: false,
        }
    }

    /// Another instance has taken over. It says that trying again can help, so that only [`Fault::is_fenced`] is what
    /// keeps the connector from it.
    pub(crate) const fn fenced() -> Self {
        Self {
            text: "producer fenced",
            retryable: true,
            fenced: true,
            incompatible: false,
            about_rows: false,
        }
    }

    /// It lies in what was asked for.
    pub(crate) const fn about_rows(text: &'static str) -> Self {
        Self {
            about_rows: true,
            ..Self::lasting(text)
        }
    }

    /// A schema does not fit its subject.
    pub(crate) const fn incompatible() -> Self {
        Self {
            text: "incompatible",
            retryable: false,
            fenced: false,
            incompatible: true,
            about_rows: false,
        }
    }
}

impl Fault for TestFault {
    fn is_retryable(&self) -> bool {
        self.retryable
    }

    fn is_fenced(&self) -> bool {
        self.fenced
    }

    fn is_incompatible(&self) -> bool {
        self.incompatible
    }

    fn halts(&self) -> bool {
        self.incompatible
    }

    fn is_about_rows(&self) -> bool {
        self.about_rows
    }
}

/// What happens instead of, or after, a call's effect.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Act {
    /// It has no effect and fails.
    Fail(TestFault),
    /// It has no effect and never returns.
    Hang,
    /// It takes effect, and is reported as failed all the same.
    ApplyThenFail(TestFault),
}

/// The faults to come, and the calls that were made.
#[derive(Debug)]
pub(crate) struct Script<C> {
    /// Which call, how many of its kind are still let through before it, and what happens then.
    planned: Vec<(C, usize, Act)>,
    /// Calls that take their time before anything else happens.
    slowed: Vec<(C, Duration)>,
    made: Vec<C>,
}

impl<C> Default for Script<C> {
    fn default() -> Self {
        Self {
            planned: Vec::new(),
            slowed: Vec::new(),
            made: Vec::new(),
        }
    }
}

impl<C: Copy + PartialEq + Debug> Script<C> {
    /// Plans `act` for the `nth` call of this kind from now on; 1 is the next.
    pub(crate) fn at(&mut self, call: C, nth: usize, act: Act) {
        assert!(nth > 0, "the first call is number 1");
        self.planned.push((call, nth - 1, act));
    }

    /// Has the next call of this kind that is not slow yet take so long, whatever is planned for it.
    pub(crate) fn slow(&mut self, call: C, by: Duration) {
        self.slowed.push((call, by));
    }

    fn take_delay(&mut self, call: C) -> Option<Duration> {
        let place = self.slowed.iter().position(|(slowed, _)| *slowed == call)?;
        Some(self.slowed.remove(place).1)
    }

    /// The calls made so far, in order.
    pub(crate) fn made(&self) -> &[C] {
        &self.made
    }

    /// How many calls of one kind were made.
    pub(crate) fn count(&self, call: C) -> usize {
        self.made.iter().filter(|made| **made == call).count()
    }

    /// Notes the call and says what was planned for it.
    pub(crate) fn take(&mut self, call: C) -> Option<Act> {
        self.made.push(call);
        let mut due = None;
        self.planned.retain_mut(|(planned, before, act)| {
            if *planned != call {
                return true;
            }
            if *before == 0 && due.is_none() {
                due = Some(*act);
                return false;
            }
            *before = before.saturating_sub(1);
            true
        });
        due
    }
}

/// A modelled system that follows a script.
pub(crate) trait Scripted {
    /// Its calls.
    type Call: Copy + PartialEq + Debug;

    fn script(&mut self) -> &mut Script<Self::Call>;
}

/// Makes a call: a step, what was planned or the effect, another step.
pub(crate) async fn perform<S: Scripted, T>(
    system: &Rc<RefCell<S>>,
    steps: &Steps,
    call: S::Call,
    effect: impl FnOnce(&mut S) -> Result<T, TestFault>,
) -> Result<T, BoxedFault> {
    steps.step().await;
    let delay = system.borrow_mut().script().take_delay(call);
    if let Some(delay) = delay {
        tokio::time::sleep(delay).await;
    }
    let planned = system.borrow_mut().script().take(call);
    steps.changed();
    match planned {
        Some(Act::Fail(fault)) => return Err(fault.into()),
        Some(Act::Hang) => std::future::pending().await,
        Some(Act::ApplyThenFail(_)) | None => {}
    }
    let outcome = effect(&mut system.borrow_mut());
    steps.changed();
    steps.step().await;
    match planned {
        Some(Act::ApplyThenFail(fault)) => Err(fault.into()),
        _ => outcome.map_err(BoxedFault::from),
    }
}
