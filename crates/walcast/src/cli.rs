//! Command line: one module per command.

mod adr;
mod blame;
mod bookmark;
mod check;
mod checkpoint;
mod completions;
mod config_args;
mod confirmation;
mod consumers;
mod delivered;
mod dlq;
mod explain;
mod history;
mod init;
mod man;
mod migrate;
mod outbox;
mod point_in_time;
mod read_progress;
mod replay;
mod requested_rows;
mod row_history;
mod run;
mod snapshot;
mod sql;
mod table;
mod tail;
#[cfg(test)]
mod tests;
mod top;
mod upcast;
mod verify;
mod written_file;

use std::future::Future;

use anyhow::Context;
use clap::{CommandFactory, Parser, Subcommand};

use self::config_args::start_log;
use crate::config::{Config, LogFormat};
use crate::exit::{Exit, UsageError, help_end};
use crate::log::{LogArgs, LogOptions};
use crate::memory;

/// Change data capture from Postgres to Kafka: exactly once, in commit order.
#[derive(Debug, Parser)]
#[command(
    name = "walcast",
    version,
    max_term_width = 100,
    after_help = help_end!(
        "  walcast tail postgres://me@localhost/shop      see changes, no Kafka needed\n\
         \x20 walcast init postgres://me@localhost/shop --brokers localhost:9092\n\
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
    Init(init::InitArgs),
    Run(run::RunArgs),
    Check(check::CheckArgs),
    Top(top::TopArgs),
    Tail(tail::TailArgs),
    Checkpoint(checkpoint::CheckpointArgs),
    Bookmark(bookmark::BookmarkArgs),
    History(history::HistoryArgs),
    Blame(blame::BlameArgs),
    Explain(explain::ExplainArgs),
    Snapshot(snapshot::SnapshotArgs),
    Replay(replay::ReplayArgs),
    Verify(verify::VerifyArgs),
    Adr(adr::AdrArgs),
    Consumers(consumers::ConsumersArgs),
    Table(table::TableArgs),
    Dlq(dlq::DlqArgs),
    Outbox(outbox::OutboxArgs),
    Upcast(upcast::UpcastArgs),
    Migrate(migrate::MigrateArgs),
    Sql(sql::SqlArgs),
    Completions(completions::CompletionsArgs),
    #[command(hide = true)]
    Man(man::ManArgs),
}

impl Cli {
    /// Executes the command.
    ///
    /// # Errors
    /// The command fails; [`Exit::of`] returns the exit code.
    pub(crate) fn execute(self) -> anyhow::Result<Exit> {
        // Every command except sql and completions reads secrets.
        memory::keep_private()
            .context("the operating system does not keep the memory of this process private")?;
        match self.command {
            Command::Init(args) => {
                start_log(
                    &self.log,
                    LogOptions {
                        format: LogFormat::Human,
                        level: "warn".to_owned(),
                    },
                )?;
                block_on(Box::pin(init::init(args)))
            }
            Command::Run(args) => {
                let config = args.config.load(&self.log)?;
                let reload = args.config.reload(&self.log, &config);
                block_on(Box::pin(run::run(config, reload)))
            }
            // The findings of the check include exposed secrets.
            Command::Check(args) => {
                let config = args.config.read(&self.log)?;
                block_on(Box::pin(check::check(config, args)))
            }
            Command::Top(args) => {
                let config = args.config.load(&self.log)?;
                block_on(Box::pin(top::top(config, args)))
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
                let config = streamed(args.options.config.load(&self.log)?)?;
                block_on(Box::pin(checkpoint::checkpoint(
                    config,
                    args.action,
                    args.options.json,
                )))
            }
            Command::Bookmark(args) => {
                let config = streamed(args.options.config.load(&self.log)?)?;
                block_on(Box::pin(bookmark::bookmark(
                    config,
                    args.action,
                    args.options.json,
                )))
            }
            Command::History(args) => {
                let config = streamed(args.config.load(&self.log)?)?;
                block_on(Box::pin(history::history(config, args.request)))
            }
            Command::Blame(args) => {
                let config = streamed(args.config.load(&self.log)?)?;
                block_on(Box::pin(blame::blame(config, args.request)))
            }
            Command::Explain(args) => {
                let config = args.config.load(&self.log)?;
                block_on(Box::pin(explain::explain(config, args)))
            }
            Command::Snapshot(args) => {
                let config = streamed(args.options.config.load(&self.log)?)?;
                block_on(Box::pin(snapshot::snapshot(
                    config,
                    args.action,
                    args.options.json,
                )))
            }
            Command::Replay(args) => {
                let config = streamed(args.options.config.load(&self.log)?)?;
                block_on(Box::pin(replay::replay(config, args.action, args.options.json)))
            }
            Command::Verify(args) => {
                let config = streamed(args.config.load(&self.log)?)?;
                block_on(Box::pin(verify::verify(config, args)))
            }
            Command::Adr(args) => {
                let config = args.config.load(&self.log)?;
                block_on(Box::pin(adr::adr(config, args)))
            }
            Command::Consumers(args) => {
                let config = args.config.load(&self.log)?;
                block_on(Box::pin(consumers::consumers(config, args.request)))
            }
            Command::Table(args) => {
                let config = streamed(args.options.config.load(&self.log)?)?;
                block_on(Box::pin(table::table(config, args.action, args.options.json)))
            }
            Command::Dlq(args) => {
                let config = args.config.load(&self.log)?;
                let config = match args.action {
                    dlq::Action::Redeliver { .. } => streamed(config)?,
                    _ => config,
                };
                block_on(Box::pin(dlq::dlq(config, args.action)))
            }
            Command::Outbox(args) => {
                let outbox::Action::Move(request) = args.action;
                let polling = args.options.config.load(&self.log)?;
                let streaming = Config::load(&request.to)?;
                block_on(Box::pin(outbox::hand_over(
                    &polling,
                    &streaming,
                    request.dry_run,
                    args.options.json,
                )))
            }
            Command::Upcast(args) => {
                let options = args.options();
                let config = options.config.load(&self.log)?;
                upcast::test(&config, options.json)
            }
            Command::Migrate(args) => match args.action {
                migrate::Action::DebeziumConfig(args) => {
                    block_on(Box::pin(migrate::debezium_config::run(args)))
                }
                migrate::Action::DebeziumOffset(args) => {
                    let config = streamed(args.config.load(&self.log)?)?;
                    block_on(Box::pin(migrate::debezium_offset::run(config, args)))
                }
            },
            Command::Sql(args) => sql::sql(&args.action),
            Command::Completions(args) => completions::completions(args.shell, Self::command()),
            Command::Man(args) => man::man(&args, Self::command()),
        }
    }
}

/// Configuration of a connector that streams. One whose outboxes are polled has no position, and takes no requests.
fn streamed(config: Config) -> anyhow::Result<Config> {
    if config.polled.is_empty() {
        return Ok(config);
    }
    let text = "the outboxes of this connector are polled (source = \"poll\"): it has no slot and no position, and takes no requests; to \
                send an event again, mark its row as unpublished";
    Err(UsageError(text.to_owned()).into())
}

/// Number of threads: one reads and encodes, one serves Kafka and answers keepalives; more would only use memory.
const WORKER_THREADS: usize = 2;

fn block_on(command: impl Future<Output = anyhow::Result<Exit>>) -> anyhow::Result<Exit> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(WORKER_THREADS)
        .enable_all()
        .build()
        .context("cannot start worker threads")?;
    let outcome = runtime.block_on(command);
    // A blocking call of a client library that still waits for a response must not delay the exit.
    runtime.shutdown_background();
    outcome
}
