//! Plays the scenarios and writes the document that lists them: what `cargo xtask conformance` runs.

use std::process::ExitCode;

use walcast_tests::conformance::{self, DOCUMENT, Release, Scenario};

#[tokio::main]
async fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1).peekable();
    let release = match arguments.next_if(|argument| argument == "--debezium") {
        None => Release::default(),
        Some(_) => {
            let number = arguments.next().unwrap_or_default();
            let Some(release) = Release::parse(&number) else {
                let known = Release::ALL.map(Release::number).join(", ");
                eprintln!("--debezium {number}: the releases are {known}");
                return ExitCode::FAILURE;
            };
            release
        }
    };
    let filter = arguments.next();
    let outcomes = Box::pin(conformance::run(release, filter.as_deref())).await;
    for outcome in &outcomes {
        eprintln!("{:50} {} records", outcome.scenario.name, outcome.records);
    }
    let failed = conformance::failures(&outcomes);
    if !failed.is_empty() {
        eprintln!("\n{failed}");
        return ExitCode::FAILURE;
    }
    // A part of the scenarios is no ground to write the whole document.
    if filter.is_none() && release == Release::default() {
        conformance::write_document(&Scenario::all());
        eprintln!("{DOCUMENT} written");
    }
    eprintln!(
        "{} scenarios as expected beside Debezium {release}",
        outcomes.len()
    );
    ExitCode::SUCCESS
}
