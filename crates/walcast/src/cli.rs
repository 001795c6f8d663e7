//! The command line: one file for each command.

mod check;
mod checkpoint;
mod completions;
mod dlq;
mod migrate;
mod run;
mod snapshot;
mod tail;
mod take_over;
#[cfg(test)]
mod tests;

use std::future::Future;
use std::path::PathBuf;

use anyhow::Context;
use clap::{Args, Parser, Subcommand};
use tracing::warn;

use crate::config::{Config, LogFormat};
use crate::exit::{Exit, help_end};
use crate::log::{self, LogArgs, LogOptions};

/// Change data capture from Postgres to Kafka: exactly once, in commit order.
#[derive(Debug, Parser)]
#[command(
    name = "walcast",
    version,
    max_term_width = 100,
    after_help = help_end!(
        "  walcast tail postgres://me@localhost/shop      see changes, no Kafka needed\n\
         \x20 walcast check --config walcast.toml            is everything set up?\n\
         \x20 walcast run --config walcast.toml              stream until stopped"
    )
)]
pub(crate) struct Cli {
    #[command(flatten)]
    log: LogArgs,

    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Run(run::RunArgs),
    Check(check::CheckArgs),
    Tail(tail::TailArgs),
    Checkpoint(checkpoint::CheckpointArgs),
    Snapshot(snapshot::SnapshotArgs),
    Dlq(dlq::DlqArgs),
    Migrate(migrate::MigrateArgs),
    TakeOver(take_over::TakeOverArgs),
    Completions(completions::CompletionsArgs),
}

/// Where the configuration is.
#[derive(Clone, Debug, Args)]
pub(crate) struct ConfigArgs {
    /// The configuration file
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        env = "WALCAST_CONFIG",
        default_value = "walcast.toml"
    )]
    config: PathBuf,
}

impl Cli {
    /// Does what the command line says.
    ///
    /// # Errors
    /// It cannot be done; [`Exit::of`] has the code.
    pub(crate) fn execute(self) -> anyhow::Result<Exit> {
        match self.command {
            Command::Run(args) => {
                let config = args.config.load(&self.log)?;
                block_on(Box::pin(run::run(config)))
            }
            // Its result lists what is exposed.
            Command::Check(args) => {
                let config = args.config.read(&self.log)?;
                block_on(Box::pin(check::check(config, args.json)))
            }
            Command::Tail(args) => {
                start_log(
                    &self.log,
                    LogOptions {
                        format: LogFormat::Human,
                        level: "warn".to_owned(),
                    },
                )?;
                block_on(Box::pin(tail::tail(args)))
            }
            Command::Checkpoint(args) => {
                let config = args.config.load(&self.log)?;
                block_on(Box::pin(checkpoint::checkpoint(config, args.action, args.json)))
            }
            Command::Snapshot(args) => {
                let config = args.config.load(&self.log)?;
                block_on(Box::pin(snapshot::snapshot(config, args.action, args.json)))
            }
            Command::Dlq(args) => {
                let config = args.config.load(&self.log)?;
                block_on(Box::pin(dlq::dlq(config, args.action)))
            }
            Command::Migrate(args) => match args.source {
                migrate::Source::Debezium(args) => migrate::debezium(&args),
            },
            Command::TakeOver(args) => {
                let config = args.config.load(&self.log)?;
                block_on(Box::pin(take_over::run(config, args)))
            }
            Command::Completions(args) => completions::completions(args.shell),
        }
    }
}

impl ConfigArgs {
    /// Reads the configuration, begins to log as it says, and warns of what others can get at.
    fn load(&self, flags: &LogArgs) -> anyhow::Result<Config> {
        let config = self.read(flags)?;
        for exposed in &config.exposed {
            warn!("{exposed}");
        }
        Ok(config)
    }

    /// Reads the configuration and begins to log as it says.
    fn read(&self, flags: &LogArgs) -> anyhow::Result<Config> {
        let config = Config::load(&self.config)?;
        let options = LogOptions {
            format: config.log.format,
            level: config.log.level.clone(),
        };
        start_log(flags, options)?;
        Ok(config)
    }
}

fn start_log(flags: &LogArgs, configured: LogOptions) -> anyhow::Result<()> {
    log::start(&flags.resolve(std::env::var("RUST_LOG").ok(), configured))?;
    Ok(())
}

/// One thread reads and encodes, one talks to Kafka and answers keepalives; more would only take memory.
const WORKER_THREADS: usize = 2;

fn block_on(command: impl Future<Output = anyhow::Result<Exit>>) -> anyhow::Result<Exit> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(WORKER_THREADS)
        .enable_all()
        .build()
        .context("the system gives no threads")?;
    let outcome = runtime.block_on(command);
    // A blocking call of a client library that still waits for an answer must not delay the end.
    runtime.shutdown_background();
    outcome
}
