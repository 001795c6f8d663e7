//! Each mistake is found: the checker can fail, and each rule of the protocol is needed.

use std::collections::BTreeSet;

use crate::mutation::Mutation;
use crate::rules::Rule;
use crate::run::play;

/// In so many seeds a mistake must show; all do in far fewer.
const SEEDS_MAX: u64 = 3_000;

/// Which rule a mistake breaks. docs/simulation.md lists them.
const MISTAKES: [(Mutation, Rule); 37] = [
    (Mutation::ConfirmsReceived, Rule::ConfirmedIsCheckpointed),
    (Mutation::StartsAtReceived, Rule::NothingLost),
    (Mutation::CheckpointBefore, Rule::NothingLost),
    (Mutation::CheckpointAfter, Rule::NothingDoubled),
    (Mutation::CommitLsnForEndLsn, Rule::NothingDoubled),
    (Mutation::CommitLsnForEndLsn, Rule::ConfirmedIsCheckpointed),
    (Mutation::HidesAdvancedSlot, Rule::DamageHalts),
    (Mutation::HidesAdvancedSlot, Rule::NothingLost),
    (Mutation::HidesPromotion, Rule::DamageHalts),
    (Mutation::NeverAsksAgain, Rule::DamageHalts),
    (Mutation::InventsAdvancedSlot, Rule::HaltsAreRight),
    (Mutation::IgnoresFencing, Rule::NothingDoubled),
    (Mutation::DoubtIsSuccess, Rule::NothingLost),
    (Mutation::DoubtIsFailure, Rule::NothingDoubled),
    (Mutation::WritesAgain, Rule::NothingDoubled),
    (Mutation::SwapsWrites, Rule::NothingReordered),
    (Mutation::CommitsEachWrite, Rule::NothingTorn),
    (Mutation::CommitsOnAbort, Rule::NothingTorn),
    (Mutation::CommitsOnAbort, Rule::NothingDoubled),
    (Mutation::DropsRecords, Rule::NothingLost),
    (Mutation::DropsFrames, Rule::EndsAreExplained),
    (Mutation::StreamsUndone, Rule::DamageHalts),
    (Mutation::StreamsRolledBack, Rule::NothingInvented),
    (Mutation::RowsOfEarlier, Rule::RowsAtTheirPlace),
    (Mutation::RowsOfLater, Rule::RowsAtTheirPlace),
    (Mutation::ReadsRowsAgain, Rule::RowsOnce),
    (Mutation::IgnoresFile, Rule::NewestStateLast),
    (Mutation::ForgetsRows, Rule::NewestStateLast),
    (Mutation::ForgetsRequests, Rule::RequestsAreCarriedOut),
    (Mutation::ForgetsSignals, Rule::RequestsAreCarriedOut),
    (Mutation::HearsSignalsAgain, Rule::RowsOnce),
    (Mutation::NeverRenews, Rule::NothingLost),
    (Mutation::KnowsUnread, Rule::NewestStateLast),
    (Mutation::NeverStarts, Rule::ComesToItsEnd),
    (Mutation::NeverConfirms, Rule::ComesToItsEnd),
    (Mutation::WritesAfterHalt, Rule::SilentAfterHalt),
    (Mutation::Panics, Rule::NoPanic),
];

#[test]
fn each_mistake_is_found() {
    for (mutation, rule) in MISTAKES {
        let found = (0..SEEDS_MAX).find(|seed| play(*seed, Some(mutation), false).breaks(rule));
        match found {
            Some(seed) => println!("{mutation:?}: {rule:?} in seed {seed}"),
            None => panic!("{mutation:?} breaks {rule:?} in none of {SEEDS_MAX} seeds"),
        }
    }
}

#[test]
fn each_rule_is_broken_by_a_mistake() {
    let broken: BTreeSet<Rule> = MISTAKES.into_iter().map(|(_, rule)| rule).collect();
    assert_eq!(broken, BTreeSet::from(Rule::ALL));
}
