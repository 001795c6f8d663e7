//! Plays random sequences: what `cargo xtask sweep` runs. Arguments: first seed, sequences, minutes (0: no limit), steps, jobs,
//! major version of the source.

#![allow(clippy::print_stdout, reason = "the report is what it is for")]

use std::process::ExitCode;
use std::time::Duration;

use walcast_tests::sweep::{Sweep, play};

fn main() -> ExitCode {
    let arguments: Vec<u64> = std::env::args()
        .skip(1)
        .filter_map(|argument| argument.parse().ok())
        .collect();
    let [first_seed, sequences, minutes, steps, jobs, major] = arguments[..] else {
        eprintln!("six numbers are wanted: first seed, sequences, minutes, steps, jobs, major version");
        return ExitCode::FAILURE;
    };
    let sweep = Sweep {
        first_seed,
        sequences,
        limit: (minutes > 0).then(|| Duration::from_secs(minutes.saturating_mul(60))),
        steps: usize::try_from(steps).unwrap_or(usize::MAX),
        jobs: usize::try_from(jobs).unwrap_or(1),
        major: u16::try_from(major).unwrap_or_default(),
    };
    let report = play(&sweep, |event| eprintln!("{event}"));
    println!("{report}");
    if report.is_clean() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
