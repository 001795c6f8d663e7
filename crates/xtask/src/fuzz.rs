//! `cargo xtask fuzz`: libFuzzer over every way in, and what it found.

mod build;
mod corpus;
mod output;
mod play;
mod target;

use std::sync::Mutex;
use std::time::Duration;

use anyhow::{Result, ensure};
use clap::Args;
use indicatif::{HumanCount, MultiProgress};

use self::play::{Outcome, Played};
use self::target::Target;

/// Any bytes for every target, for its share of so many minutes.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  cargo xtask fuzz\n  cargo xtask fuzz --minutes 60 --target row\n  \
    cargo xtask fuzz --minutes 600 --keep      # and put what reached new code into crates/fuzz/corpus\n\n\
    Exit code 1: something does not hold. The input is kept, and the command is printed that hands it to the target again.\n\
    Needs a C++ compiler, for libFuzzer. docs/fuzzing.md says what is asked of each target."
)]
pub(crate) struct Arguments {
    /// How long, all targets together
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    minutes: u32,
    /// Only these; can be repeated
    #[arg(long, value_enum)]
    target: Vec<Target>,
    /// How many run side by side [default: one for each processor]
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=256))]
    jobs: Option<u32>,
    /// Put inputs that reached new code into the corpus that tests replay
    #[arg(long)]
    keep: bool,
}

/// Builds the targets, runs them, prints the results.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let targets = Target::chosen(&arguments.target);
    let count = u32::try_from(targets.len())?;
    let processors = std::thread::available_parallelism().map_or(1, |count| count.get());
    let jobs = arguments
        .jobs
        .map_or_else(|| u32::try_from(processors), Ok)?
        .min(count);
    let share = share(arguments.minutes, count, jobs);
    build::all(&targets)?;
    eprintln!(
        "{} targets, {} s each, {jobs} side by side",
        targets.len(),
        share.as_secs()
    );

    let played = play_all(&targets, jobs, share)?;
    eprintln!(
        "{:<14} {:>14} {:>7} {:>8} {:>6}  result",
        "target", "executions", "edges", "inputs", "new"
    );
    for played in &played {
        eprintln!(
            "{:<14} {:>14} {:>7} {:>8} {:>6}  {}",
            played.target.name(),
            HumanCount(played.counts.executions).to_string(),
            played.counts.edges,
            played.inputs,
            played.new,
            played.outcome.word()
        );
    }
    if arguments.keep {
        for target in targets {
            eprintln!(
                "{}: {} inputs more in the corpus",
                target.name(),
                corpus::keep(target)?
            );
        }
    }
    let found: Vec<String> = played.iter().filter_map(failure).collect();
    ensure!(found.is_empty(), "something does not hold:\n{}", found.join("\n"));
    Ok(())
}

/// What a target's time is when so many are done by so many at once.
fn share(minutes: u32, targets: u32, jobs: u32) -> Duration {
    // Targets that are left over when all are done but these wait for no other: rounds count.
    let rounds = targets.div_ceil(jobs);
    Duration::from_secs(60) * minutes / rounds
}

/// Runs targets, so many at once.
fn play_all(targets: &[Target], jobs: u32, share: Duration) -> Result<Vec<Played>> {
    let waiting = Mutex::new(targets.iter().copied());
    let bars = MultiProgress::new();
    let one_after_the_other = || -> Result<Vec<Played>> {
        let next = || waiting.lock().ok()?.next();
        std::iter::from_fn(next)
            .map(|target| play::play(target, share, &bars))
            .collect()
    };
    let done: Vec<Result<Vec<Played>>> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..jobs).map(|_| scope.spawn(one_after_the_other)).collect();
        let joined = workers.into_iter().map(|worker| worker.join());
        joined
            .map(|worker| worker.expect("a worker does not panic"))
            .collect()
    });
    let mut played = Vec::new();
    for some in done {
        played.extend(some?);
    }
    played.sort_by_key(|played| played.target);
    Ok(played)
}

fn failure(played: &Played) -> Option<String> {
    let name = played.target.name();
    match &played.outcome {
        Outcome::Holds => None,
        Outcome::Found { input, output } => Some(format!(
            "{output}\n{name}: {}\nagain: cargo run --package walcast-fuzz --bin {name} -- {0}",
            input.display()
        )),
        Outcome::Failed { output } => Some(format!("{output}\n{name}: the fuzzer itself failed")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_fill_the_time() {
        assert_eq!(share(10, 5, 1), Duration::from_secs(120));
        assert_eq!(share(10, 5, 2), Duration::from_secs(200));
        assert_eq!(share(10, 1, 1), Duration::from_secs(600));
    }
}
