//! What must hold, and what was found where it did not.

use std::fmt;

/// A promise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Rule {
    /// Every change of a captured table is in Kafka when a run has come to its end.
    NothingLost,
    /// Each of them once.
    NothingDoubled,
    /// In commit order.
    NothingReordered,
    /// A transaction is seen as a whole.
    NothingTorn,
    /// What is in Kafka was committed.
    NothingInvented,
    /// A row that was read stands behind the change that made it and before the one that changed it.
    RowsAtTheirPlace,
    /// A row that was read is there once.
    RowsOnce,
    /// At the end the last record of a key is its newest state, and no row is missing.
    NewestStateLast,
    /// Rows that were asked for are read, where it was answered that they are; a signal is carried out.
    RequestsAreCarriedOut,
    /// Only what a committed checkpoint covers is confirmed.
    ConfirmedIsCheckpointed,
    /// No stream begins while the source lacks what was not delivered, or has lost what was.
    DamageHalts,
    /// What halts says what is really so.
    HaltsAreRight,
    /// Who has halted writes nothing any more, and neither does who begins after it.
    SilentAfterHalt,
    /// When nothing fails any more, everything arrives.
    ComesToItsEnd,
    /// A connector ends only for reasons that are known.
    EndsAreExplained,
    /// Whatever comes, nothing panics.
    NoPanic,
}

impl Rule {
    pub(crate) const ALL: [Rule; 16] = [
        Rule::NothingLost,
        Rule::NothingDoubled,
        Rule::NothingReordered,
        Rule::NothingTorn,
        Rule::NothingInvented,
        Rule::RowsAtTheirPlace,
        Rule::RowsOnce,
        Rule::NewestStateLast,
        Rule::RequestsAreCarriedOut,
        Rule::ConfirmedIsCheckpointed,
        Rule::DamageHalts,
        Rule::HaltsAreRight,
        Rule::SilentAfterHalt,
        Rule::ComesToItsEnd,
        Rule::EndsAreExplained,
        Rule::NoPanic,
    ];
}

/// A promise that was broken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Breach {
    pub(crate) rule: Rule,
    pub(crate) what: String,
}

impl fmt::Display for Breach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.rule, self.what)
    }
}
