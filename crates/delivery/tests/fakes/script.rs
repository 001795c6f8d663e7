//! Planned faults, and the function through which every modelled call is made.

use std::cell::RefCell;
use std::fmt::Debug;
use std::rc::Rc;
use std::time::Duration;

use walcast_delivery::{BoxedPortError, Detail, Disposition, PortError};

use super::steps::Steps;

/// An error of a modelled system.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub(crate) struct TestFault {
    text: &'static str,
    disposition: Disposition,
    detail: Option<Detail<'static>>,
    passes_by_itself: bool,
}

impl TestFault {
    const fn new(text: &'static str, disposition: Disposition, detail: Option<Detail<'static>>) -> Self {
        Self {
            text,
            disposition,
            detail,
            passes_by_itself: false,
        }
    }

    /// A transient error.
    pub(crate) const fn transient(text: &'static str) -> Self {
        Self::new(text, Disposition::Retry, None)
    }

    /// A transient error that a start waits out.
    pub(crate) const fn passing(text: &'static str) -> Self {
        Self {
            passes_by_itself: true,
            ..Self::transient(text)
        }
    }

    /// A permanent error, which an operator must fix.
    pub(crate) const fn permanent(text: &'static str) -> Self {
        Self::new(text, Disposition::Stop, None)
    }

    /// Another instance has taken over.
    pub(crate) const fn fenced() -> Self {
        Self::new("producer fenced", Disposition::Fenced, None)
    }

    /// An error about the requested rows.
    pub(crate) const fn about_rows(text: &'static str) -> Self {
        Self::new(text, Disposition::Stop, Some(Detail::RowsUnreadable))
    }

    /// The connector may not read the requested rows.
    pub(crate) const fn denied(text: &'static str) -> Self {
        Self::new(text, Disposition::Stop, Some(Detail::RowsDenied))
    }

    /// The server cancelled a statement; a retry can help.
    pub(crate) const fn cancelled(text: &'static str) -> Self {
        Self::new(text, Disposition::Retry, Some(Detail::StatementRejected))
    }

    /// The server rejected a statement.
    pub(crate) const fn rejected(text: &'static str) -> Self {
        Self::new(text, Disposition::Stop, Some(Detail::StatementRejected))
    }

    /// A statement ended with its connection.
    pub(crate) const fn interrupted(text: &'static str) -> Self {
        Self::new(text, Disposition::Retry, Some(Detail::StatementInterrupted))
    }

    /// A topic may not be written.
    pub(crate) const fn topic_unusable(topic: &'static str) -> Self {
        Self::new(
            "not allowed to Write the topic",
            Disposition::Stop,
            Some(Detail::TopicUnusable {
                topic,
                is_refused: true,
            }),
        )
    }

    /// A schema is incompatible with its subject.
    pub(crate) const fn incompatible() -> Self {
        Self::new(
            "incompatible",
            Disposition::Halt,
            Some(Detail::IncompatibleSchema),
        )
    }
}

/// A lost connection, which a retry restores.
pub(crate) const CONNECTION_LOST: TestFault = TestFault::transient("connection lost");

impl PortError for TestFault {
    fn disposition(&self) -> Disposition {
        self.disposition
    }

    fn detail(&self) -> Option<Detail<'_>> {
        self.detail
    }

    fn passes_by_itself(&self) -> bool {
        self.passes_by_itself
    }
}

/// An action instead of, or after, the effect of a call.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Act {
    /// The call has no effect and fails.
    Fail(TestFault),
    /// The call has no effect and never returns.
    Hang,
    /// The call takes effect and still reports a failure.
    ApplyThenFail(TestFault),
}

/// The planned faults, and the calls that were made.
#[derive(Debug)]
pub(crate) struct Script<C> {
    /// The call, the number of earlier calls of its kind that still pass, and the action.
    planned: Vec<(C, usize, Act)>,
    /// Calls that are delayed first.
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

    /// Delays the next call of this kind that is not delayed yet, whatever is planned for it.
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

    /// Number of calls of one kind.
    pub(crate) fn count(&self, call: C) -> usize {
        self.made.iter().filter(|made| **made == call).count()
    }

    /// Records the call and returns the planned action.
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

/// Makes a call: a step, the planned action or the effect, another step.
pub(crate) async fn perform<S: Scripted, T>(
    system: &Rc<RefCell<S>>,
    steps: &Steps,
    call: S::Call,
    effect: impl FnOnce(&mut S) -> Result<T, TestFault>,
) -> Result<T, BoxedPortError> {
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
        _ => outcome.map_err(BoxedPortError::from),
    }
}
