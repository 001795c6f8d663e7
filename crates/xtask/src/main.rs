//! `cargo xtask`: the project's own commands for developers.

mod gate;
mod testbed;

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
    /// The one test command
    Test(gate::Arguments),
    /// Real Postgres, Kafka and a schema registry on loopback
    #[command(subcommand)]
    Testbed(testbed::Task),
}

fn main() -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    match Arguments::parse().task {
        Task::Test(arguments) => gate::run_all(&arguments),
        Task::Testbed(task) => runtime.block_on(testbed::run(task)),
    }
}
