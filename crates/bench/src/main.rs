//! The demo, the benches and the testbed of `cargo xtask`, in a program of their own: `xtask` itself depends on no server and
//! no client, so that its other commands are built within seconds.

mod bench;
mod demo;
mod testbed;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// The part of `cargo xtask` that needs servers.
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
        Task::Testbed(task) => runtime.block_on(testbed::run(task)),
    }
}
