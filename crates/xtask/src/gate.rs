//! `cargo xtask test`: everything that must hold. What is cheap comes first; then one build makes all programs, which run
//! side by side. A failure stops only what needs it; all are reported at the end.

mod alerts;
mod circles;
mod cpu;
mod deployment;
mod dialect;
mod edges;
mod errors;
mod modules;
mod promises;
mod queue;
mod second_run;
mod seconds;
mod sizes;
mod suites;
pub(crate) mod supply;
mod tidy;

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use clap::{Args, ValueEnum};

use self::queue::Task;
use self::seconds::Seconds;
use crate::{preflight, programs};

/// The versions that tests run on.
const POSTGRES_MAJORS: [&str; 7] = ["12", "13", "14", "15", "16", "17", "18"];

/// Where the output of each program is kept.
const LOGS: &str = "target/gate-logs";

/// Format, lints, docs, forbidden edges, circles, licences, alerts, unit, property and doc tests, simulation, then end to end against real servers.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  cargo xtask test                    everything, as the gate runs it\n  \
    cargo xtask test --only lint        one step\n  cargo xtask test --only unit        tests of the crates\n\n\
    The seconds of each part are printed at the end and kept in target/gate-seconds.json, the outputs of the test\n\
    programs in target/gate-logs. Exit code 1: something failed; all of it is named at the end."
)]
pub(crate) struct Arguments {
    /// Run only these steps
    #[arg(long, value_enum)]
    only: Vec<Step>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
enum Step {
    /// Formatting
    Format,
    /// Rules about the tree that no compiler checks
    Tidy,
    /// Dependencies that must not exist
    Edges,
    /// Modules that use each other
    Circles,
    /// Licences, forbidden crates and sources of all dependencies
    Supply,
    /// Rules of alerts and the dashboard, by promtool
    Alerts,
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

impl Step {
    fn name(self) -> &'static str {
        match self {
            Step::Format => "format",
            Step::Tidy => "tidy",
            Step::Edges => "edges",
            Step::Circles => "circles",
            Step::Supply => "supply",
            Step::Alerts => "alerts",
            Step::Lint => "lint",
            Step::Docs => "docs",
            Step::Unit => "unit",
            Step::Simulation => "simulation",
            Step::EndToEnd => "end-to-end",
        }
    }
}

/// Step that runs on its own.
type Check = fn() -> Result<()>;

/// Runs the chosen steps.
pub(crate) fn run_all(arguments: &Arguments) -> Result<()> {
    let is_chosen = |step: Step| arguments.only.is_empty() || arguments.only.contains(&step);
    let needs_servers = is_chosen(Step::Unit) || is_chosen(Step::EndToEnd);
    if needs_servers {
        preflight::check_for_tests()?;
    }
    let mut seconds = Seconds::begin();
    let alone: [(Step, Check); 7] = [
        (Step::Format, || cargo(&["fmt", "--all", "--check"])),
        (Step::Tidy, || tidy::check().and_then(|()| deployment::check())),
        (Step::Edges, edges::check),
        (Step::Circles, circles::check),
        (Step::Supply, supply::check),
        (Step::Alerts, alerts::check),
        (Step::Lint, || {
            cargo(&[
                "clippy",
                "--workspace",
                "--all-targets",
                "--locked",
                "--",
                "-D",
                "warnings",
            ])
        }),
    ];
    for (step, run) in alone {
        if is_chosen(step) {
            seconds.of(step.name(), step.name(), run);
        }
    }
    let tasks = tasks(is_chosen, &mut seconds)?;
    if !tasks.is_empty() {
        let parts = queue::run(tasks, Path::new(LOGS))?;
        seconds.parts.extend(parts);
    }
    seconds.keep()?;
    let missing = seconds.missing();
    ensure!(
        missing.is_empty(),
        "{} failed; outputs are in {LOGS}, one step is run by cargo xtask test --only STEP",
        missing.join("; ")
    );
    match seconds.passed_alone() {
        alone if alone.is_empty() => eprintln!("==> all ok"),
        alone => eprintln!(
            "==> all ok; tests passed only in a second run, alone, of {}: see their outputs in {LOGS}",
            alone.join("; ")
        ),
    }
    Ok(())
}

/// Builds what the chosen steps need, and returns what is to run side by side, the longest first.
fn tasks(is_chosen: impl Fn(Step) -> bool, seconds: &mut Seconds) -> Result<Vec<Task>> {
    let mut tasks = Vec::new();
    let steps = [Step::EndToEnd, Step::Unit, Step::Simulation];
    if steps.into_iter().any(&is_chosen) {
        let mut built = Vec::new();
        let is_built = seconds.of("build", "build", || {
            built = programs::build(&["--workspace", "--all-targets"])?;
            Ok(())
        });
        let has_servers = is_built
            && is_chosen(Step::EndToEnd)
            && seconds.of("build", "servers", || {
                fetch(&programs::find(&built, "walcast-bench")?)
            });
        for step in steps.into_iter().filter(|step| is_chosen(*step)) {
            match step {
                Step::EndToEnd if has_servers => tasks.extend(suites::end_to_end(&built)?),
                Step::Unit if is_built => tasks.extend(suites::unit(&built)),
                Step::Simulation if is_built => tasks.extend(suites::simulation(&built)?),
                _ => seconds.not_run(step.name(), step.name()),
            }
        }
    }
    if is_chosen(Step::Unit) {
        let doc_tests = ["test", "--doc", "--locked", "--workspace"];
        tasks.push(cargo_task(Step::Unit, "doc tests", &doc_tests));
    }
    if is_chosen(Step::Docs) {
        let mut docs = cargo_task(
            Step::Docs,
            "docs",
            &["doc", "--workspace", "--no-deps", "--locked"],
        );
        docs.command.env("RUSTDOCFLAGS", "-D warnings");
        tasks.push(docs);
    }
    Ok(tasks)
}

/// Downloads the servers before tests wait for them.
fn fetch(bench: &PathBuf) -> Result<()> {
    let mut fetch = Command::new(bench);
    fetch.args(["testbed", "fetch", "--debezium"]);
    for major in POSTGRES_MAJORS {
        fetch.args(["--postgres", major]);
    }
    run(&mut fetch)
}

fn cargo_task(step: Step, name: &str, arguments: &[&str]) -> Task {
    let mut command = Command::new("cargo");
    command.args(arguments);
    Task {
        step: step.name(),
        name: name.to_owned(),
        weight: 2,
        command,
    }
}

fn cargo(arguments: &[&str]) -> Result<()> {
    run(Command::new("cargo").args(arguments))
}

fn run(command: &mut Command) -> Result<()> {
    let status = command
        .status()
        .with_context(|| format!("cannot start {}", command.get_program().display()))?;
    if !status.success() {
        bail!("{command:?} ended with {status}");
    }
    Ok(())
}
