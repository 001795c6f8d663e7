//! `walcast snapshot`: starts, stops and reports the reading of existing rows in a running connector.

pub(super) mod ask;
mod progress;
mod tls;

use clap::{Args, Subcommand, ValueEnum};
use walcast_delivery::{Selection, SnapshotCommand, SnapshotType};
use walcast_mapper::pattern::TablePattern;

use super::config_args::ActionArgs;
use crate::config::Config;
use crate::exit::{Exit, help_end};

/// Read existing rows while changes are streamed: start, stop, pause, resume, status
///
/// Sends requests to the running connector at its admin.listen address. Accepted requests are stored and survive a crash.
#[derive(Debug, Args)]
#[command(after_help = help_end!(
    "  walcast snapshot start --tables public.orders\n\
     \x20 walcast snapshot start --tables 'public.order*' --where \"placed > '2024-01-01'\"\n\
     \x20 walcast snapshot status --follow"
))]
pub(crate) struct SnapshotArgs {
    #[command(subcommand)]
    pub(crate) action: Action,

    #[command(flatten)]
    pub(crate) options: ActionArgs,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Action {
    /// Read the rows of captured tables, while changes are streamed
    #[command(after_help = help_end!(
        "  walcast snapshot start --tables public.orders --tables public.customers\n\
         \x20 walcast snapshot start --tables '*.*'                     all captured tables\n\
         \x20 walcast snapshot start --tables public.orders --where \"id > 1000\""
    ))]
    Start {
        /// Pattern over schema.table; can be given several times
        #[arg(long, required = true, value_name = "PATTERN")]
        tables: Vec<TablePattern>,
        /// Read only rows that satisfy this SQL condition
        #[arg(long = "where", value_name = "CONDITION")]
        filter: Option<String>,
        /// Value of source.snapshot in the records
        #[arg(long, value_enum, default_value = "incremental")]
        record_marker: RecordMarker,
    },
    /// Stop reading tables that are being read, or are waiting to be read
    #[command(after_help = help_end!(
        "  walcast snapshot stop\n\
         \x20 walcast snapshot stop --tables public.orders"
    ))]
    Stop {
        /// Only tables that match this pattern over schema.table; can be given several times
        #[arg(long, value_name = "PATTERN")]
        tables: Vec<TablePattern>,
    },
    /// Pause reading until `resume`, which continues at the same row
    #[command(after_help = help_end!("  walcast snapshot pause"))]
    Pause,
    /// Resume reading
    #[command(after_help = help_end!("  walcast snapshot resume"))]
    Resume,
    /// Show the progress of reading
    #[command(after_help = help_end!(
        "  walcast snapshot status\n\
         \x20 walcast snapshot status --follow          until everything is read\n\
         \x20 walcast snapshot status --json | jq .seconds_remaining"
    ))]
    Status {
        /// Wait until everything is read
        #[arg(long)]
        follow: bool,
    },
}

/// Value of `source.snapshot`.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum RecordMarker {
    /// `incremental`, in every record
    Incremental,
    /// `first`, `true`, … `last`, as at a first start
    Initial,
}

pub(crate) async fn snapshot(config: Config, action: Action, json: bool) -> anyhow::Result<Exit> {
    let command = match action {
        Action::Status { follow } => return progress::status(&config, follow, json).await,
        Action::Start {
            tables,
            filter,
            record_marker,
        } => SnapshotCommand::Start {
            tables: tables
                .into_iter()
                .map(|tables| Selection {
                    tables,
                    filter: filter.clone(),
                    dead_letters: Vec::new(),
                    former_keys: Vec::new(),
                })
                .collect(),
            marks: match record_marker {
                RecordMarker::Incremental => SnapshotType::Incremental,
                RecordMarker::Initial => SnapshotType::Initial,
            },
            id: None,
        },
        Action::Stop { tables } => SnapshotCommand::Stop { tables },
        Action::Pause => SnapshotCommand::Pause,
        Action::Resume => SnapshotCommand::Resume,
    };
    ask::ask(&config, &command, json).await
}
