//! `cargo xtask test`: everything that must hold, in the order in which it is cheapest to find out.

mod edges;
mod promises;
mod servers;
pub(crate) mod supply;
mod tidy;

use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use clap::{Args, ValueEnum};

use crate::simulate;

/// The versions that tests run on.
const POSTGRES_MAJORS: [u16; 5] = [12, 14, 16, 17, 18];

/// Format, lints, docs, forbidden edges, licences, unit, property and doc tests, simulation, then end to end against real servers.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  cargo xtask test                    everything, as the gate runs it\n  \
    cargo xtask test --only lint        one step\n  cargo xtask test --only unit        without servers"
)]
pub(crate) struct Arguments {
    /// Run only these steps
    #[arg(long, value_enum)]
    only: Vec<Step>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Step {
    /// Formatting
    Format,
    /// Rules about the tree that no compiler checks
    Tidy,
    /// Dependencies that must not exist
    Edges,
    /// Licences, forbidden crates and sources of all dependencies
    Supply,
    /// Clippy, warnings denied
    Lint,
    /// Rustdoc, warnings denied
    Docs,
    /// Unit, property and doc tests of the crates, some with servers of their own
    Unit,
    /// Ten thousand seeds of the delivery simulation
    Simulation,
    /// End to end against real Postgres, Kafka, registry and Debezium
    EndToEnd,
}

const STEPS: [Step; 9] = [
    Step::Format,
    Step::Tidy,
    Step::Edges,
    Step::Supply,
    Step::Lint,
    Step::Docs,
    Step::Unit,
    Step::Simulation,
    Step::EndToEnd,
];

impl Step {
    fn name(self) -> &'static str {
        match self {
            Step::Format => "format",
            Step::Tidy => "tidy",
            Step::Edges => "edges",
            Step::Supply => "supply",
            Step::Lint => "lint",
            Step::Docs => "docs",
            Step::Unit => "unit",
            Step::Simulation => "simulation",
            Step::EndToEnd => "end-to-end",
        }
    }

    fn run(self) -> Result<()> {
        match self {
            Step::Format => cargo(&["fmt", "--all", "--check"]),
            Step::Tidy => tidy::check(),
            Step::Edges => edges::check(),
            Step::Supply => supply::check(),
            Step::Lint => cargo(&[
                "clippy",
                "--workspace",
                "--all-targets",
                "--locked",
                "--",
                "-D",
                "warnings",
            ]),
            Step::Docs => run(Command::new("cargo")
                .args(["doc", "--workspace", "--no-deps", "--locked"])
                .env("RUSTDOCFLAGS", "-D warnings")),
            Step::Unit => cargo(&["test", "--workspace", "--exclude", "walcast-tests", "--locked"]),
            Step::Simulation => simulate::run_for_gate(),
            Step::EndToEnd => {
                cargo(&["build", "--package", "walcast", "--locked"])?;
                walcast_testbed::fetch(&POSTGRES_MAJORS).context("fetching the servers")?;
                walcast_testbed::fetch_debezium().context("fetching debezium")?;
                servers::run(&["--package", "walcast-tests"])
            }
        }
    }
}

/// Runs the chosen steps; the first that fails ends it.
pub(crate) fn run_all(arguments: &Arguments) -> Result<()> {
    let begun = Instant::now();
    for step in STEPS {
        if !arguments.only.is_empty() && !arguments.only.contains(&step) {
            continue;
        }
        let step_begun = Instant::now();
        eprintln!("==> {}", step.name());
        step.run().with_context(|| {
            format!(
                "step {} failed; run it alone: cargo xtask test --only {0}",
                step.name()
            )
        })?;
        eprintln!("==> {} ok, {} s", step.name(), step_begun.elapsed().as_secs());
    }
    eprintln!("==> all ok, {} s", begun.elapsed().as_secs());
    Ok(())
}

fn cargo(arguments: &[&str]) -> Result<()> {
    run(Command::new("cargo").args(arguments))
}

fn run(command: &mut Command) -> Result<()> {
    let status = command
        .status()
        .with_context(|| format!("cannot start {:?}", command.get_program()))?;
    if !status.success() {
        bail!("{command:?} ended with {status}");
    }
    Ok(())
}
