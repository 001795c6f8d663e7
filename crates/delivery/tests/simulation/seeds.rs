//! The seeds that run: a number of them in every test run, any number with `cargo xtask simulate`, and those that have found a
//! fault.

use std::collections::BTreeMap;

use crate::mutation::Mutation;
use crate::run::{Report, play};

/// Number of seeds in a default test run.
const SEEDS: u64 = 500;
/// Variables for the first seed and the number of seeds, instead of the default.
const FROM: &str = "WALCAST_SIMULATION_FROM";
const COUNT: &str = "WALCAST_SIMULATION_SEEDS";

/// Number of seeds between two progress messages.
const PROGRESS_EVERY: u64 = 250;

/// Seeds that have found a fault, one per line: the seed, then the fault.
const REGRESSIONS: &str = include_str!("regressions.txt");

/// Situations that the seeds must cover. One that no seed covers any more means that the model has changed, not the connector.
const COVERED: [&str; 69] = [
    "server restarts",
    "fails over to synchronized",
    "fails over to lagging",
    "fails over without slot",
    "restored to point",
    "data directory rewound",
    "writes after being rewound",
    "slot advanced",
    "slot dropped",
    "slot recreated",
    "slot lost",
    "broker unavailable",
    "registry unavailable",
    "registry rejects",
    "table rewritten",
    "read again from another file",
    "request answered",
    "request rejected",
    "request lost",
    "request executed",
    "signal in a row",
    "signal executed",
    "signal during another read",
    "signal not stored",
    "table appears",
    "configuration widened",
    "published while a transaction runs",
    "omitted by an old server",
    "partition created",
    "partition attached",
    "partition detached",
    "partition dropped",
    "partition truncated",
    "partitioned table truncated",
    "attached partition read",
    "replay complete",
    "replay interrupted",
    "replay killed",
    "replay fenced",
    "replay cancelled",
    "replay continued",
    "replay in doubt",
    "replay into the same topics",
    "record of another program",
    "rows differ",
    "repair requested",
    "repair abandoned",
    "repaired",
    "process killed",
    "process stopped",
    "process frozen",
    "died",
    "fenced",
    "rejected",
    "no answer",
    "the server closed the connection",
    "in doubt, committed",
    "in doubt, aborted",
    "in doubt, in flight",
    "split",
    "later snapshot",
    "table truncated since",
    "lost and visible",
    "halt: slot missing",
    "halt: slot lost",
    "halt: slot advanced",
    "halt: ahead of promoted",
    "halt: ahead of server",
    "halt: diverged history",
];

fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(
        text.parse()
            .unwrap_or_else(|_| panic!("{variable} is not a number: {text}")),
    )
}

/// Runs a seed again with its trace, prints it, and fails the test.
fn fail(seed: u64) -> ! {
    let report = play(seed, None, true);
    for event in &report.trace {
        eprintln!("{event}");
    }
    for violation in &report.violations {
        eprintln!("seed {seed} breaks {violation}");
    }
    panic!("seed {seed} breaks a rule; repeat it: cargo xtask simulate --from {seed} --seeds 1");
}

fn check(seed: u64) -> Report {
    let report = play(seed, None, false);
    if report.violations.is_empty() {
        return report;
    }
    fail(seed)
}

#[test]
fn every_seed_holds() {
    let from = number(FROM).unwrap_or(0);
    let count = number(COUNT).unwrap_or(SEEDS);
    let (mut records, mut starts) = (0, 0);
    for done in 1..=count {
        let report = check(from + done - 1);
        records += report.records;
        starts += report.starts;
        if done % PROGRESS_EVERY == 0 || done == count {
            println!("seeds {done} records {records} starts {starts}");
        }
    }
}

#[test]
fn regression_seeds_hold() {
    for line in REGRESSIONS.lines().filter(|line| !line.starts_with('#')) {
        let seed = line.split_whitespace().next().and_then(|seed| seed.parse().ok());
        check(seed.expect("each line starts with a seed"));
    }
}

#[test]
fn same_seed_gives_the_same_run() {
    for seed in 0..60 {
        assert_eq!(play(seed, None, true), play(seed, None, true), "seed {seed}");
    }
    let mutation = Some(Mutation::IgnoresFencing);
    for seed in 0..20 {
        assert_eq!(
            play(seed, mutation, true),
            play(seed, mutation, true),
            "seed {seed}"
        );
    }
}

#[test]
fn seeds_cover_all_situations() {
    let mut covered: BTreeMap<&str, u64> = BTreeMap::new();
    // A rare situation may need more seeds than the others.
    for seed in 0..8 * SEEDS {
        if seed >= SEEDS && COVERED.iter().all(|situation| covered.contains_key(situation)) {
            break;
        }
        for (situation, count) in play(seed, None, false).coverage {
            *covered.entry(situation).or_default() += count;
        }
    }
    println!("{covered:#?}");
    let missing: Vec<&str> = COVERED
        .into_iter()
        .filter(|situation| !covered.contains_key(situation))
        .collect();
    assert_eq!(missing, Vec::<&str>::new());
}
