//! `cargo xtask simulate`: the delivery protocol under faults, crashes and promotions, one seed after another.
//!
//! A seed fixes a run; runs know nothing of each other, so each processor plays a share of them.

use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};

use crate::programs;

/// The test that plays the chosen seeds.
const TEST: &str = "seeds::every_seed_holds";
/// How the seeds are chosen.
const FROM: &str = "WALCAST_SIMULATION_FROM";
const SEEDS: &str = "WALCAST_SIMULATION_SEEDS";

/// How often a progress bar is drawn.
const TICK: Duration = Duration::from_millis(500);

/// Seeds of the delivery simulation; the first that breaks a rule prints its trace and ends it.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  cargo xtask simulate\n  cargo xtask simulate --seeds 5000000 --release\n  \
    cargo xtask simulate --from 4711 --seeds 1      # one seed again\n\n\
    Exit code 1: a seed broke a rule. docs/simulation.md says what is modelled, and which rules there are."
)]
pub(crate) struct Arguments {
    /// How many
    #[arg(long, default_value_t = 100_000, value_parser = clap::value_parser!(u64).range(1..))]
    seeds: u64,
    /// The first
    #[arg(long, default_value_t = 0)]
    from: u64,
    /// How many are played side by side [default: one for each processor]
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..=256))]
    jobs: Option<u64>,
    /// Optimize as for users: worth its build for a million seeds and more
    #[arg(long)]
    release: bool,
}

/// A message from a share.
enum Message {
    /// So far.
    Progress { share: usize, counts: Counts },
    /// It ended before its last seed, with this on its standard error.
    Failed { output: String },
}

#[derive(Clone, Copy, Default)]
struct Counts {
    seeds: u64,
    records: u64,
    starts: u64,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    ensure!(
        arguments.from.checked_add(arguments.seeds).is_some(),
        "--from {} --seeds {}: seeds end at {}",
        arguments.from,
        arguments.seeds,
        u64::MAX
    );
    let program = build(arguments.release)?;
    let processors = std::thread::available_parallelism().map_or(1, |count| count.get() as u64);
    let jobs = arguments.jobs.unwrap_or(processors).min(arguments.seeds);
    let begun = Instant::now();
    let bar = ProgressBar::new(arguments.seeds).with_style(ProgressStyle::with_template(
        "{bar:40} {pos}/{len} seeds, {per_sec}, {eta} left",
    )?);
    bar.enable_steady_tick(TICK);
    let (messages, received) = mpsc::channel();
    let mut children = Vec::new();
    for (share, seeds) in shares(arguments.seeds, jobs).into_iter().enumerate() {
        let from = arguments.from + seeds.start;
        let mut child = start(&program, from, seeds.end - seeds.start)?;
        listen(&mut child, share, messages.clone())?;
        children.push(child);
    }
    drop(messages);
    let mut counts = vec![Counts::default(); children.len()];
    let mut failed = None;
    for message in received {
        match message {
            Message::Progress {
                share,
                counts: so_far,
            } => {
                counts[share] = so_far;
                bar.set_position(counts.iter().map(|counts| counts.seeds).sum());
            }
            Message::Failed { output } => {
                // The others would continue in vain.
                for child in &mut children {
                    drop(child.kill());
                }
                failed.get_or_insert(output);
            }
        }
    }
    bar.finish_and_clear();
    for mut child in children {
        let status = child.wait().context("cannot wait for the simulation")?;
        if !status.success() {
            failed.get_or_insert_with(|| format!("the simulation ended with {status}"));
        }
    }
    if let Some(output) = failed {
        eprintln!("{output}");
        bail!("a seed broke a rule");
    }
    let sum = |of: fn(&Counts) -> u64| counts.iter().map(of).sum::<u64>();
    eprintln!(
        "{} seeds from {} on: {} records checked, {} processes started, {:.1} s on {jobs} processors",
        sum(|counts| counts.seeds),
        arguments.from,
        sum(|counts| counts.records),
        sum(|counts| counts.starts),
        begun.elapsed().as_secs_f64()
    );
    Ok(())
}

/// Cuts seeds into shares of about the same size, each `start..end` without its end.
fn shares(seeds: u64, jobs: u64) -> Vec<std::ops::Range<u64>> {
    let bound = |share: u64| seeds / jobs * share + (seeds % jobs).min(share);
    (0..jobs).map(|share| bound(share)..bound(share + 1)).collect()
}

/// Chooses the seeds that a run of the simulation plays.
pub(crate) fn select(simulation: &mut Command, from: u64, seeds: u64) {
    simulation
        .args([TEST, "--exact", "--nocapture"])
        .env(FROM, from.to_string())
        .env(SEEDS, seeds.to_string());
}

fn start(program: &Path, from: u64, seeds: u64) -> Result<Child> {
    let mut command = Command::new(program);
    select(&mut command, from, seeds);
    command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot start {}", program.display()))
}

/// Hands on what a share prints. Both of its outputs are read at once, so that it never waits for a reader.
fn listen(child: &mut Child, share: usize, messages: mpsc::Sender<Message>) -> Result<()> {
    let stdout = child.stdout.take().context("standard output was asked for")?;
    let mut stderr = child.stderr.take().context("standard error was asked for")?;
    let progress = messages.clone();
    std::thread::spawn(move || {
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            if let Some(counts) = read_counts(&line)
                && progress.send(Message::Progress { share, counts }).is_err()
            {
                return;
            }
        }
    });
    std::thread::spawn(move || {
        let mut output = String::new();
        // What is printed only when a seed breaks a rule is small; text that cannot be read is as good as none.
        drop(stderr.read_to_string(&mut output));
        if !output.is_empty() {
            drop(messages.send(Message::Failed { output }));
        }
    });
    Ok(())
}

/// `seeds 250 records 9906 starts 1148`
fn read_counts(line: &str) -> Option<Counts> {
    let mut words = line.split_whitespace();
    let mut next = |name: &str| {
        (words.next() == Some(name))
            .then(|| words.next())
            .flatten()?
            .parse()
            .ok()
    };
    Some(Counts {
        seeds: next("seeds")?,
        records: next("records")?,
        starts: next("starts")?,
    })
}

/// Builds the simulation and returns where it is. Optimized too it checks what builds for users do not.
fn build(release: bool) -> Result<PathBuf> {
    let mut selection = vec!["--package", "walcast-delivery", "--test", "simulation"];
    if release {
        selection.extend([
            "--release",
            "--config",
            "profile.release.debug-assertions=true",
            "--config",
            "profile.release.overflow-checks=true",
        ]);
    }
    let built = programs::build(&selection)?
        .into_iter()
        .filter(|program| program.is_test);
    let simulation = built.map(|program| program.path).next();
    simulation.context("cargo built no test named simulation")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeds_that_do_not_exist_are_refused() {
        let refused = run(&Arguments {
            seeds: 10,
            from: u64::MAX - 3,
            jobs: None,
            release: false,
        });
        let error = refused.unwrap_err().to_string();
        assert!(error.contains("seeds end at"), "{error}");
    }

    #[test]
    fn shares_are_all_seeds_once() {
        assert_eq!(shares(10, 3), [0..4, 4..7, 7..10]);
        assert_eq!(shares(2, 2), [0..1, 1..2]);
    }

    #[test]
    fn reads_the_output_of_the_simulation() {
        let counts = read_counts("seeds 250 records 9906 starts 1148").unwrap();
        assert_eq!((counts.seeds, counts.records, counts.starts), (250, 9906, 1148));
        assert!(read_counts("test seeds::every_seed_holds ... ok").is_none());
    }
}
