//! One target, for its time.

use std::collections::VecDeque;
use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use indicatif::{HumanCount, MultiProgress, ProgressBar, ProgressStyle};

use super::output::{self, Counts};
use super::target::Target;
use super::{build, corpus};

/// Nothing that is asked takes a thousandth of it.
const TIMEOUT_SECONDS: u32 = 20;

/// The most memory that an input may take.
const MEMORY_MB: u32 = 2_048;

/// Longer inputs reach nothing that shorter ones do not.
const INPUT_BYTES_MAX: u32 = 8_192;

/// How much of what it prints is shown when something was found: a panic, and where.
const LINES_SHOWN: usize = 60;

/// What became of a target.
pub(super) struct Played {
    pub(super) target: Target,
    pub(super) counts: Counts,
    /// All that reach code of their own.
    pub(super) inputs: usize,
    /// Those of them that were not there before.
    pub(super) new: usize,
    pub(super) outcome: Outcome,
}

/// How it ended.
pub(super) enum Outcome {
    /// Its time was over.
    Holds,
    /// Something does not hold for this input.
    Found { input: PathBuf, output: String },
    /// It did not work.
    Failed { output: String },
}

impl Outcome {
    pub(super) fn word(&self) -> &'static str {
        match self {
            Outcome::Holds => "holds",
            Outcome::Found { .. } => "DOES NOT HOLD",
            Outcome::Failed { .. } => "FAILED",
        }
    }
}

/// Runs a target until its time is over or something is found.
pub(super) fn play(target: Target, share: Duration, bars: &MultiProgress) -> Result<Played> {
    let (inputs, findings) = (target.inputs(), target.findings());
    for folder in [&inputs, &findings] {
        std::fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
    }
    let before = corpus::count(&inputs)?;
    let mut fuzzer = Command::new(build::program(target)?)
        .arg(format!("-max_total_time={}", share.as_secs().max(1)))
        .arg(format!("-timeout={TIMEOUT_SECONDS}"))
        .arg(format!("-rss_limit_mb={MEMORY_MB}"))
        .arg(format!("-max_len={INPUT_BYTES_MAX}"))
        .arg(format!("-artifact_prefix={}/", findings.display()))
        .args([&inputs, &target.seeds(), &target.corpus()])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot start {}", target.name()))?;
    let style = ProgressStyle::with_template("{prefix:14} {elapsed_precise} {msg}")?;
    let bar = bars.add(
        ProgressBar::new_spinner()
            .with_style(style)
            .with_prefix(target.name()),
    );
    bar.enable_steady_tick(Duration::from_secs(1));

    let mut counts = Counts::default();
    let (mut found, mut shown) = (None, VecDeque::new());
    let output = fuzzer.stderr.take().context("its standard error is not piped")?;
    for line in BufReader::new(output).split(b'\n') {
        let line = line.context("cannot read what the fuzzer prints")?;
        let line = String::from_utf8_lossy(&line).into_owned();
        if let Some(so_far) = output::counts(&line) {
            counts = so_far;
            bar.set_message(format!(
                "{} executions, {} edges",
                HumanCount(counts.executions),
                counts.edges
            ));
            continue;
        }
        found = output::finding(&line).or(found);
        if shown.len() == LINES_SHOWN {
            shown.pop_front();
        }
        shown.push_back(line);
    }
    let status = fuzzer.wait().context("cannot wait for the fuzzer")?;
    bar.finish_and_clear();
    let output = Vec::from(shown).join("\n");
    let outcome = match found {
        Some(input) => Outcome::Found { input, output },
        None if status.success() => Outcome::Holds,
        None => Outcome::Failed { output },
    };
    if matches!(outcome, Outcome::Holds) {
        ensure!(
            counts.edges > 0,
            "{} reached no code in {} executions: it is not built as it has to be",
            target.name(),
            counts.executions
        );
    }
    let inputs = corpus::count(&inputs)?;
    Ok(Played {
        target,
        counts,
        inputs,
        new: inputs.saturating_sub(before),
        outcome,
    })
}
