//! `cargo xtask`: the project's own commands for developers.

mod audit;
mod chaos;
mod conformance;
mod deploy;
mod fuzz;
mod gate;
mod package;
mod polling;
mod preflight;
mod programs;
mod promtool;
mod servers;
mod simulate;
mod site;
mod sweep;
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
    #[command(disable_help_flag = true)]
    Demo(servers::Forwarded),
    /// How fast a backlog reaches Kafka
    #[command(disable_help_flag = true)]
    Bench(servers::Forwarded),
    /// Real servers under every fault there is, for so many minutes
    Chaos(chaos::Arguments),
    /// walcast beside the real Debezium
    Conformance(conformance::Arguments),
    /// Any bytes, at every way in, for so many minutes
    Fuzz(fuzz::Arguments),
    /// The one test command
    Test(gate::Arguments),
    /// The Debian package, with manual pages and shell completions
    Package,
    /// The Helm chart rendered by Helm, and the plain manifests
    Deploy,
    /// The documentation as a site
    Site,
    /// Known vulnerabilities of what is built in, and the age of the database that was asked
    Audit(audit::Arguments),
    /// The delivery protocol under faults, crashes and promotions, seed after seed
    Simulate(simulate::Arguments),
    /// A polled outbox under load, whose connector is killed again and again
    Polling(polling::Arguments),
    /// Random definitions, writes and interruptions on real servers, sequence after sequence
    Sweep(sweep::Arguments),
    /// Real Postgres, Kafka and a schema registry on loopback
    #[command(disable_help_flag = true)]
    Testbed(servers::Forwarded),
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
    match task {
        Task::Demo(arguments) => servers::bench("demo", &arguments),
        Task::Bench(arguments) => servers::bench("bench", &arguments),
        Task::Chaos(arguments) => chaos::run(&arguments),
        Task::Conformance(arguments) => conformance::run(&arguments),
        Task::Fuzz(arguments) => fuzz::run(&arguments),
        Task::Test(arguments) => gate::run_all(&arguments),
        Task::Package => package::run(),
        Task::Deploy => deploy::run(),
        Task::Site => site::run(),
        Task::Audit(arguments) => audit::run(&arguments),
        Task::Simulate(arguments) => simulate::run(&arguments),
        Task::Polling(arguments) => polling::run(&arguments),
        Task::Sweep(arguments) => sweep::run(&arguments),
        Task::Testbed(arguments) => servers::bench("testbed", &arguments),
    }
}
