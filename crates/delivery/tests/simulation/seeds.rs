//! Which seeds are played: some in every test run, as many as are asked for by `cargo xtask simulate`, and those that
//! have shown something.

use std::collections::BTreeMap;

use crate::mutation::Mutation;
use crate::run::{Report, play};

/// Seeds of a usual test run.
const SEEDS: u64 = 500;
/// The first seed to be played, and how many are, where not the usual ones are wanted.
const FROM: &str = "WALCAST_SIMULATION_FROM";
const COUNT: &str = "WALCAST_SIMULATION_SEEDS";

/// After so many seeds it is told how far it is.
const TOLD_EVERY: u64 = 250;

/// Seeds that have shown something, a line each: the seed, then what it showed.
const REGRESSIONS: &str = include_str!("regressions.txt");

/// What seeds come to. One that no seed comes to any more means that the model has changed, and not the connector.
const REACHED: [&str; 49] = [
    "server restarts",
    "fails over to synced",
    "fails over to lagging",
    "fails over without slot",
    "restored to point",
    "set back",
    "writes on after being set back",
    "slot advanced",
    "slot dropped",
    "slot dropped and made again",
    "slot lost",
    "broker away",
    "registry away",
    "registry refuses",
    "table rewritten",
    "read again from another file",
    "request answered",
    "request refused",
    "request lost",
    "request carried out",
    "signal in a row",
    "signal carried out",
    "signal while others read",
    "signal not stored",
    "table appears",
    "configuration widened",
    "published while a transaction runs",
    "left out by an old server",
    "process killed",
    "process stopped",
    "process frozen",
    "died",
    "fenced",
    "refused",
    "nobody answers",
    "the server closed the connection",
    "in doubt, done",
    "in doubt, not done",
    "in doubt, on its way",
    "split",
    "later snapshot",
    "table emptied since",
    "taken back and seen",
    "halt: slot missing",
    "halt: slot lost",
    "halt: slot advanced",
    "halt: ahead of promoted",
    "halt: ahead of server",
    "halt: other history",
];

fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(
        text.parse()
            .unwrap_or_else(|_| panic!("{variable} is no number: {text}")),
    )
}

/// Plays a seed once more, with its trace, and ends the test where it breaks a rule.
fn fail(seed: u64) -> ! {
    let report = play(seed, None, true);
    for event in &report.trace {
        eprintln!("{event}");
    }
    for breach in &report.breaches {
        eprintln!("seed {seed} breaks {breach}");
    }
    panic!("seed {seed} breaks a rule; again: cargo xtask simulate --from {seed} --seeds 1");
}

fn check(seed: u64) -> Report {
    let report = play(seed, None, false);
    if report.breaches.is_empty() {
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
        if done % TOLD_EVERY == 0 || done == count {
            println!("seeds {done} records {records} starts {starts}");
        }
    }
}

#[test]
fn seeds_that_have_shown_something_hold() {
    for line in REGRESSIONS.lines().filter(|line| !line.starts_with('#')) {
        let seed = line.split_whitespace().next().and_then(|seed| seed.parse().ok());
        check(seed.expect("each line begins with a seed"));
    }
}

#[test]
fn a_seed_is_always_the_same_run() {
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
fn seeds_come_to_everything() {
    let mut reached: BTreeMap<&str, u64> = BTreeMap::new();
    for seed in 0..SEEDS {
        for (mark, count) in play(seed, None, false).marks {
            *reached.entry(mark).or_default() += count;
        }
    }
    println!("{reached:#?}");
    let missing: Vec<&str> = REACHED
        .into_iter()
        .filter(|mark| !reached.contains_key(mark))
        .collect();
    assert_eq!(missing, Vec::<&str>::new());
}
