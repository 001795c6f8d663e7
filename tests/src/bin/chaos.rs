//! Plays an ordeal: what `cargo xtask chaos` runs. Arguments: minutes, seed, row changes a second.

#![allow(clippy::print_stdout, reason = "the report is what it is for")]

use std::process::ExitCode;
use std::time::Duration;

use walcast_tests::chaos::{Length, Ordeal, play};

#[tokio::main]
async fn main() -> ExitCode {
    let arguments: Vec<u64> = std::env::args()
        .skip(1)
        .filter_map(|argument| argument.parse().ok())
        .collect();
    let [minutes, seed, writes_per_second] = arguments[..] else {
        eprintln!("three numbers are wanted: minutes, seed, row changes a second");
        return ExitCode::FAILURE;
    };
    let ordeal = Ordeal {
        seed,
        length: Length::For(Duration::from_secs(minutes.saturating_mul(60))),
        writes_per_second: u32::try_from(writes_per_second).unwrap_or(u32::MAX),
    };
    let report = Box::pin(play(&ordeal, |at, what| {
        eprintln!("{:7.1} s  {what}", at.as_secs_f64());
    }))
    .await;
    if report.is_clean() {
        println!("{report}");
        return ExitCode::SUCCESS;
    }
    println!("{report}\n{}", report.log);
    ExitCode::FAILURE
}
