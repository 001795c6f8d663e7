//! The commands that need servers: `demo`, `bench` and `testbed` are parts of the program `walcast-bench`, chaos and
//! conformance programs of the end-to-end tests. Each is built together with the connector that it runs.

use std::os::unix::process::CommandExt as _;
use std::process::{Command, ExitStatus};

use anyhow::{Context, Result};
use clap::Args;

use crate::{preflight, programs};

/// Arguments that another program reads.
#[derive(Args)]
pub(crate) struct Forwarded {
    /// See --help
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<String>,
}

/// Builds `walcast-bench` and the connector, and becomes it.
pub(crate) fn bench(task: &str, forwarded: &Forwarded) -> Result<()> {
    preflight::check()?;
    let built = programs::build(&programs::CONNECTOR_AND_BENCH)?;
    let bench = programs::find(&built, "walcast-bench")?;
    let is_help = forwarded
        .arguments
        .iter()
        .any(|argument| argument == "--help" || argument == "-h");
    let walcast = if task == "bench" && !is_help {
        // Measured as users run it.
        let built = programs::build(&["--release", "--package", "walcast"])?;
        programs::find(&built, "walcast")?
    } else {
        programs::find(&built, "walcast")?
    };
    let mut command = Command::new(&bench);
    command
        .arg(task)
        .args(&forwarded.arguments)
        .env("WALCAST_BIN", walcast);
    // So that signals and the exit code are its own.
    let error = command.exec();
    Err(error).with_context(|| format!("cannot start {}", bench.display()))
}

/// Builds a program of the end-to-end tests and the connector, and runs the program.
pub(crate) fn play(program: &str, arguments: impl IntoIterator<Item = String>) -> Result<ExitStatus> {
    preflight::check()?;
    let built = programs::build(&[&programs::CONNECTOR_AND_TESTS[..], &["--bins"]].concat())?;
    let path = programs::find(&built, program)?;
    let mut player = Command::new(&path);
    player
        .args(arguments)
        .env("WALCAST_BIN", programs::find(&built, "walcast")?);
    player
        .status()
        .with_context(|| format!("cannot start {}", path.display()))
}
