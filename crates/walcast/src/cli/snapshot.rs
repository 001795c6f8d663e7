//! `walcast snapshot`: asks a running connector to read existing rows, or not to, and tells how far it is.

pub(super) mod ask;
mod progress;
mod tls;

use clap::{Args, Subcommand, ValueEnum};
use walcast_delivery::{Marks, Selection, SnapshotCommand};
use walcast_mapper::TablePattern;

use super::ConfigArgs;
use crate::config::Config;
use crate::exit::{Exit, help_end};

/// Read existing rows while changes are streamed: start, stop, pause, resume, status
///
/// Talks to the running connector through its admin.listen address. What it answers is stored: it survives a crash.
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
    pub(crate) config: ConfigArgs,

    /// Print JSON
    #[arg(long, global = true)]
    pub(crate) json: bool,
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
        /// A pattern over schema.table; can be given several times
        #[arg(long, required = true, value_name = "PATTERN")]
        tables: Vec<TablePattern>,
        /// Which of their rows, as a condition in SQL
        #[arg(long = "where", value_name = "CONDITION")]
        filter: Option<String>,
        /// What source.snapshot says in their records
        #[arg(long, value_enum, default_value = "incremental")]
        marks: MarksArg,
    },
    /// Read no more of tables that are being read, or wait to be
    #[command(after_help = help_end!(
        "  walcast snapshot stop\n\
         \x20 walcast snapshot stop --tables public.orders"
    ))]
    Stop {
        /// Only those of a pattern over schema.table; can be given several times
        #[arg(long, value_name = "PATTERN")]
        tables: Vec<TablePattern>,
    },
    /// Read nothing until `resume`; it goes on where it was
    #[command(after_help = help_end!("  walcast snapshot pause"))]
    Pause,
    /// Go on reading
    #[command(after_help = help_end!("  walcast snapshot resume"))]
    Resume,
    /// Tell how far reading is
    #[command(after_help = help_end!(
        "  walcast snapshot status\n\
         \x20 walcast snapshot status --follow          until everything is read\n\
         \x20 walcast snapshot status --json | jq .seconds_left"
    ))]
    Status {
        /// Stay until everything is read
        #[arg(long)]
        follow: bool,
    },
}

/// What `source.snapshot` says.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum MarksArg {
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
            marks,
        } => SnapshotCommand::Start {
            tables: tables
                .into_iter()
                .map(|tables| Selection {
                    tables,
                    filter: filter.clone(),
                    letters: Vec::new(),
                    former_keys: Vec::new(),
                })
                .collect(),
            marks: match marks {
                MarksArg::Incremental => Marks::Incremental,
                MarksArg::Initial => Marks::Initial,
            },
            id: None,
        },
        Action::Stop { tables } => SnapshotCommand::Stop { tables },
        Action::Pause => SnapshotCommand::Pause,
        Action::Resume => SnapshotCommand::Resume,
    };
    ask::ask(&config, &command, json).await
}
