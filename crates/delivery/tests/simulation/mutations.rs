//! Each mutation is detected: the checker can fail, and each rule of the protocol is needed.

use std::collections::BTreeSet;

use crate::mutation::Mutation;
use crate::rules::Rule;
use crate::run::play;

/// Number of seeds within which a mutation must be detected; all are detected in far fewer.
const SEEDS_MAX: u64 = 3_000;

/// The rules that mutations break, as listed in docs/simulation.md.
const BROKEN_RULES: [(Mutation, Rule); 43] = [
    (Mutation::ConfirmsReceived, Rule::ConfirmedIsCheckpointed),
    (Mutation::StartsAtReceived, Rule::NothingLost),
    (Mutation::CheckpointBefore, Rule::NothingLost),
    (Mutation::CheckpointAfter, Rule::NothingDuplicated),
    (Mutation::CommitLsnForEndLsn, Rule::NothingDuplicated),
    (Mutation::CommitLsnForEndLsn, Rule::ConfirmedIsCheckpointed),
    (Mutation::HidesAdvancedSlot, Rule::DamageHalts),
    (Mutation::HidesAdvancedSlot, Rule::NothingLost),
    (Mutation::HidesPromotion, Rule::DamageHalts),
    (Mutation::NeverRereadsLastCommit, Rule::DamageHalts),
    (Mutation::InventsAdvancedSlot, Rule::HaltsAreJustified),
    (Mutation::IgnoresFencing, Rule::NothingDuplicated),
    (Mutation::DoubtIsSuccess, Rule::NothingLost),
    (Mutation::DoubtIsFailure, Rule::NothingDuplicated),
    (Mutation::RepeatsFailedWrite, Rule::NothingDuplicated),
    (Mutation::SwapsWrites, Rule::NothingReordered),
    (Mutation::CommitsEachWrite, Rule::NothingSplit),
    (Mutation::CommitsOnAbort, Rule::NothingSplit),
    (Mutation::CommitsOnAbort, Rule::NothingDuplicated),
    (Mutation::DropsRecords, Rule::NothingLost),
    (Mutation::DropsFrames, Rule::EndsAreExplained),
    (Mutation::StreamsUndone, Rule::DamageHalts),
    (Mutation::StreamsRolledBack, Rule::NothingInvented),
    (Mutation::SnapshotTooOld, Rule::RowsInOrder),
    (Mutation::SnapshotTooNew, Rule::RowsInOrder),
    (Mutation::RereadsRows, Rule::RowsReadOnce),
    (Mutation::IgnoresFile, Rule::NewestStateLast),
    (Mutation::ForgetsRows, Rule::NewestStateLast),
    (Mutation::ForgetsRequests, Rule::RequestsAreExecuted),
    (Mutation::ForgetsSignals, Rule::RequestsAreExecuted),
    (Mutation::RereadsSignals, Rule::RowsReadOnce),
    (Mutation::NeverRestartsStream, Rule::NothingLost),
    (Mutation::MarksUnreadAsKnown, Rule::NewestStateLast),
    (Mutation::HidesAttachedPartitions, Rule::NewestStateLast),
    (Mutation::NeverStarts, Rule::RunCompletes),
    (Mutation::NeverConfirms, Rule::RunCompletes),
    (Mutation::WritesAfterHalt, Rule::NoWritesAfterHalt),
    (Mutation::ProgressBeforeCopies, Rule::ReplaysAreExact),
    (Mutation::ProgressAfterCopies, Rule::ReplaysAreExact),
    (Mutation::FencedReplayContinues, Rule::ReplaysAreExact),
    (Mutation::WritesComparedRows, Rule::RowsInOrder),
    (Mutation::RepairsNothing, Rule::RepairedIsSource),
    (Mutation::Panics, Rule::NoPanic),
];

#[test]
fn each_mutation_is_detected() {
    for (mutation, rule) in BROKEN_RULES {
        let found = (0..SEEDS_MAX).find(|seed| play(*seed, Some(mutation), false).breaks(rule));
        match found {
            Some(seed) => println!("{mutation:?}: {rule:?} in seed {seed}"),
            None => panic!("{mutation:?} breaks {rule:?} in none of {SEEDS_MAX} seeds"),
        }
    }
}

#[test]
fn each_rule_is_broken_by_a_mutation() {
    let broken: BTreeSet<Rule> = BROKEN_RULES.into_iter().map(|(_, rule)| rule).collect();
    assert_eq!(broken, BTreeSet::from(Rule::ALL));
}
