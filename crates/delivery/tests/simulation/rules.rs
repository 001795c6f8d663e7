//! The rules that a run must keep, and their violations.

use std::fmt;

/// A rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Rule {
    /// Every change of a captured table is in Kafka at the end of a run.
    NothingLost,
    /// Every change is in Kafka once.
    NothingDuplicated,
    /// Changes are in commit order.
    NothingReordered,
    /// A transaction becomes visible as a whole.
    NothingSplit,
    /// Every record in Kafka is of a committed change.
    NothingInvented,
    /// A row that was read follows the change that wrote it and precedes the next change of it.
    RowsInOrder,
    /// A row is read once for each request and file.
    RowsReadOnce,
    /// At the end of a run the last record of each key has its newest state, and no row is missing.
    NewestStateLast,
    /// Acknowledged requests are executed, and so are signals that the checkpoint has passed.
    RequestsAreExecuted,
    /// A replay copies each record of its window once, in order, as far as its progress says, and no other record.
    ReplaysAreExact,
    /// At the end of a run, after the last repair, the last record of each key has the state of the source, whatever other programs
    /// wrote.
    RepairedIsSource,
    /// Only positions that a committed checkpoint covers are confirmed.
    ConfirmedIsCheckpointed,
    /// No stream starts while the source is damaged.
    DamageHalts,
    /// A halt reports damage that exists.
    HaltsAreJustified,
    /// No Kafka transaction is committed after a halt, by the halted instance or a later one.
    NoWritesAfterHalt,
    /// All changes are delivered once faults have stopped.
    RunCompletes,
    /// A connector ends only for known reasons.
    EndsAreExplained,
    /// No run panics.
    NoPanic,
}

impl Rule {
    pub(crate) const ALL: [Rule; 18] = [
        Rule::NothingLost,
        Rule::NothingDuplicated,
        Rule::NothingReordered,
        Rule::NothingSplit,
        Rule::NothingInvented,
        Rule::RowsInOrder,
        Rule::RowsReadOnce,
        Rule::NewestStateLast,
        Rule::RequestsAreExecuted,
        Rule::ReplaysAreExact,
        Rule::RepairedIsSource,
        Rule::ConfirmedIsCheckpointed,
        Rule::DamageHalts,
        Rule::HaltsAreJustified,
        Rule::NoWritesAfterHalt,
        Rule::RunCompletes,
        Rule::EndsAreExplained,
        Rule::NoPanic,
    ];
}

/// A violation of a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Violation {
    pub(crate) rule: Rule,
    pub(crate) text: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.rule, self.text)
    }
}
