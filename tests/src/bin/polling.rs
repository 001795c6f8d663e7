//! Kills a connector that polls, again and again: what `cargo xtask polling` runs. Arguments: seed, kills, events between two kills, events a
//! second, workers.

#![allow(clippy::print_stdout, reason = "the report is what it is for")]

use std::process::ExitCode;

use walcast_tests::polling::{Polling, play};

#[tokio::main]
async fn main() -> ExitCode {
    let arguments: Vec<u64> = std::env::args()
        .skip(1)
        .filter_map(|argument| argument.parse().ok())
        .collect();
    let [seed, kills, events_between, events_per_second, workers] = arguments[..] else {
        eprintln!("five numbers are wanted: seed, kills, events between two kills, events a second, workers");
        return ExitCode::FAILURE;
    };
    let polling = Polling {
        seed,
        kills,
        events_between,
        events_per_second: u32::try_from(events_per_second).unwrap_or(u32::MAX),
        workers: u32::try_from(workers).unwrap_or(1),
    };
    // A fault is a panic.
    let report = Box::pin(play(&polling, |event| eprintln!("{event}"))).await;
    println!("{report}");
    ExitCode::SUCCESS
}
