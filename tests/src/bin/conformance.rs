//! Plays the scenarios and writes the document that lists them: what `cargo xtask conformance` runs.

use std::process::ExitCode;

use walcast_tests::conformance::{self, DOCUMENT, Scenario};

#[tokio::main]
async fn main() -> ExitCode {
    let filter = std::env::args().nth(1);
    let outcomes = Box::pin(conformance::run(filter.as_deref())).await;
    for outcome in &outcomes {
        eprintln!("{:50} {} records", outcome.scenario.name, outcome.records);
    }
    let failed = conformance::failures(&outcomes);
    if !failed.is_empty() {
        eprintln!("\n{failed}");
        return ExitCode::FAILURE;
    }
    // A part of the scenarios is no ground to write the whole document.
    if filter.is_none() {
        conformance::write_document(&Scenario::all());
        eprintln!("{DOCUMENT} written");
    }
    eprintln!("{} scenarios as expected", outcomes.len());
    ExitCode::SUCCESS
}
