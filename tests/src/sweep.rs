//! Random sequences of definitions, writes and interruptions, each on a database of its own: every change of a captured table is
//! delivered once, in order and with the values that it had when it was written, or the connector reports what is missing; and the
//! application is refused no statement because of the connector.
//!
//! A seed determines a sequence ([`Sequence::of`]). What the connector sees of it depends on the machine as well, so a sequence
//! that failed is repeated with fewer steps, to find a short one that fails too.

mod columns;
mod connector;
mod definitions;
mod delivered;
mod execution;
mod generator;
mod journal;
mod model;
mod own_types;
mod partitions;
mod refusal;
mod report;
mod reports;
mod source;
mod stage;
mod step;
mod value;
mod verdict;
mod writes;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::runtime::{Builder, Runtime};

use execution::{Outcome, execute};
pub use report::Report;
use stage::Stage;
pub use step::{Action, Effect, Publication, Role, Sequence, Statement, Step, Write};

/// Sequences after which new servers are started: each leaves topics and subjects behind.
const SEQUENCES_A_STAGE: u64 = 100;

/// Failures after which a run ends: each is repeated several times.
const FAILURES_MAX: usize = 8;

/// Sequences after which the progress is reported.
const SEQUENCES_A_LINE: u64 = 10;

/// Failures of a sequence that are shown.
const FAILURES_SHOWN: usize = 6;

/// What is to be played.
#[derive(Clone, Copy, Debug)]
pub struct Sweep {
    /// Seed of the first sequence; the following have the next numbers.
    pub first_seed: u64,
    /// How many sequences.
    pub sequences: u64,
    /// Time after which no further sequence is started.
    pub limit: Option<Duration>,
    /// Steps of each sequence that are played; all, if there are fewer.
    pub steps: usize,
    /// How many sequences are played at the same time.
    pub jobs: usize,
    /// Major version of the source.
    pub major: u16,
}

/// Plays sequences. `report_event` gets each failure when it is found, and the progress.
///
/// # Panics
/// When the servers cannot be started.
pub fn play(sweep: &Sweep, report_event: impl Fn(&str) + Sync) -> Report {
    let begun = Instant::now();
    let report = Mutex::new(Report::default());
    let mut first = sweep.first_seed;
    let last = sweep.first_seed.saturating_add(sweep.sequences);
    let is_over = || {
        let failures = report.lock().unwrap().failures.len();
        failures >= FAILURES_MAX || sweep.limit.is_some_and(|limit| begun.elapsed() >= limit)
    };
    while first < last && !is_over() {
        let runtime = Builder::new_multi_thread().enable_all().build().unwrap();
        let stage = runtime.block_on(Box::pin(Stage::set(sweep.major)));
        let end = last.min(first.saturating_add(SEQUENCES_A_STAGE));
        let next = AtomicU64::new(first);
        std::thread::scope(|scope| {
            for _ in 0..sweep.jobs {
                scope.spawn(|| {
                    while !is_over() {
                        let seed = next.fetch_add(1, Ordering::Relaxed);
                        if seed >= end {
                            break;
                        }
                        let (outcome, failure) = Attempts::of(&stage, seed, sweep.steps).all();
                        if let Some(failure) = &failure {
                            report_event(failure);
                        }
                        let mut report = report.lock().unwrap();
                        report.add(&outcome);
                        report.failures.extend(failure);
                        if report.sequences.is_multiple_of(SEQUENCES_A_LINE) {
                            report_event(&report.progress(begun.elapsed()));
                        }
                    }
                });
            }
        });
        drop(stage);
        first = end;
    }
    let mut report = report.into_inner().unwrap();
    report.length = begun.elapsed();
    report
}

/// The attempts to play a sequence.
struct Attempts<'a> {
    stage: &'a Stage,
    runtime: Runtime,
    sequence: Sequence,
    count: u32,
}

impl Attempts<'_> {
    fn of(stage: &Stage, seed: u64, steps: usize) -> Attempts<'_> {
        let mut sequence = Sequence::of(seed);
        sequence.steps.truncate(steps);
        Attempts {
            stage,
            runtime: Builder::new_current_thread().enable_all().build().unwrap(),
            sequence,
            count: 0,
        }
    }

    /// Plays the sequence; if it fails, also shorter ones. The outcome of the first attempt, and a description of the failure.
    fn all(mut self) -> (Outcome, Option<String>) {
        let steps = self.sequence.steps.len();
        let outcome = self.play(steps);
        if outcome.failures.is_empty() {
            return (outcome, None);
        }
        let (mut passes, mut fails, mut shortest) = (0, steps, outcome.clone());
        while passes + 1 < fails {
            let middle = usize::midpoint(passes, fails);
            let outcome = self.play(middle);
            if outcome.failures.is_empty() {
                passes = middle;
            } else {
                fails = middle;
                shortest = outcome;
            }
        }
        let mut sequence = self.sequence;
        sequence.steps.truncate(fails);
        let failure = format!(
            "seed {} fails, and so do its first {fails} of {steps} steps: \
             cargo xtask sweep --seed {} --steps {fails}\n{sequence}\n{}\n\nwith all steps:\n{}\n\nlog of walcast ends with:\n{}",
            sequence.seed,
            sequence.seed,
            listed(&shortest.failures),
            listed(&outcome.failures),
            shortest.log
        );
        (outcome, Some(failure))
    }

    fn play(&mut self, steps: usize) -> Outcome {
        self.count += 1;
        let name = format!("s{}_{}", self.sequence.seed, self.count);
        let mut sequence = self.sequence.clone();
        sequence.steps.truncate(steps);
        let (runtime, stage) = (&self.runtime, self.stage);
        let played = catch_unwind(AssertUnwindSafe(|| {
            runtime.block_on(Box::pin(execute(stage, &sequence, &name)))
        }));
        played.unwrap_or_else(|panic| {
            let text = panic.downcast_ref::<String>().cloned();
            let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
            Outcome {
                failures: vec![text.unwrap_or_default()],
                ..Outcome::default()
            }
        })
    }
}

/// The first of many failures.
fn listed(failures: &[String]) -> String {
    let shown: Vec<&str> = failures.iter().take(FAILURES_SHOWN).map(String::as_str).collect();
    match failures.len() - shown.len() {
        0 => shown.join("\n"),
        further => format!("{}\nand {further} more", shown.join("\n")),
    }
}
