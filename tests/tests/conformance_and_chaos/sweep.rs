//! Some random sequences of definitions, writes and interruptions: no difference, no refused statement.

use walcast_tests::seed;
use walcast_tests::sweep::{Sweep, play};

/// Sequences that a gate plays.
const SEQUENCES: u64 = 20;

#[test]
fn random_sequences_differ_nowhere_and_refuse_no_statement() {
    let sweep = Sweep {
        first_seed: seed(),
        sequences: SEQUENCES,
        limit: None,
        steps: usize::MAX,
        jobs: 4,
        major: 17,
    };
    let report = play(&sweep, |event| eprintln!("{event}"));
    eprintln!("{report}");
    assert!(report.is_clean() && report.sequences == SEQUENCES, "{report}");
}
