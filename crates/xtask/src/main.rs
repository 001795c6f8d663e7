//! `cargo xtask`: the project's own commands for developers.

mod bench;
mod binary;
mod chaos;
mod conformance;
mod demo;
mod fuzz;
mod gate;
mod programs;
mod simulate;
mod testbed;
mod tool;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// The project's own commands.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", version)]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Everything once, on real servers, with a verdict
    Demo(demo::Arguments),
    /// How fast a backlog reaches Kafka
    Bench(bench::Arguments),
    /// Real servers under every fault there is, for so many minutes
    Chaos(chaos::Arguments),
    /// walcast beside the real Debezium
    Conformance(conformance::Arguments),
    /// Any bytes, at every way in, for so many minutes
    Fuzz(fuzz::Arguments),
    /// The one test command
    Test(gate::Arguments),
    /// Known vulnerabilities of what is built in; needs github.com, where RustSec keeps them
    Audit,
    /// The delivery protocol under faults, crashes and promotions, seed after seed
    Simulate(simulate::Arguments),
    /// Real Postgres, Kafka and a schema registry on loopback
    #[command(subcommand)]
    Testbed(testbed::Task),
}

fn main() -> ExitCode {
    match run(Arguments::parse().task) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(task: Task) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    match task {
        Task::Demo(arguments) => runtime.block_on(Box::pin(demo::run(arguments))),
        Task::Bench(arguments) => runtime.block_on(Box::pin(bench::run(arguments))),
        Task::Chaos(arguments) => chaos::run(&arguments),
        Task::Conformance(arguments) => conformance::run(&arguments),
        Task::Fuzz(arguments) => fuzz::run(&arguments),
        Task::Test(arguments) => gate::run_all(&arguments),
        Task::Audit => gate::supply::audit(),
        Task::Simulate(arguments) => simulate::run(&arguments),
        Task::Testbed(task) => runtime.block_on(testbed::run(task)),
    }
}
