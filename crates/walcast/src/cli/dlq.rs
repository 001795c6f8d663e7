//! `walcast dlq`: the changes that could not be delivered.

mod list;

use clap::{Args, Subcommand};
use walcast_mapper::TablePattern;

use super::ConfigArgs;
use crate::config::Config;
use crate::exit::{Exit, help_end};

/// Show the changes that could not be delivered and were kept as dead letters
#[derive(Debug, Args)]
#[command(after_help = help_end!(
    "  walcast dlq list                           all, oldest first\n\
     \x20 walcast dlq list --table public.orders     those of one table\n\
     \x20 walcast dlq list --json | jq .after        their rows"
))]
pub(crate) struct DlqArgs {
    #[command(subcommand)]
    pub(crate) action: Action,

    #[command(flatten)]
    pub(crate) config: ConfigArgs,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Action {
    /// List dead letters in the order of the log; a running connector is not disturbed
    #[command(after_help = help_end!(
        "  walcast dlq list --table 'public.order*' --limit 10\n\
         \x20 walcast dlq list --json | jq -r .id"
    ))]
    List {
        /// Only those of tables that a pattern over schema.table chooses; can be given several times
        #[arg(long = "table", value_name = "PATTERN")]
        tables: Vec<TablePattern>,
        /// No more than so many, the oldest
        #[arg(long, value_name = "COUNT")]
        limit: Option<usize>,
        /// Print each as it is in Kafka, one JSON object a line
        #[arg(long)]
        json: bool,
    },
}

pub(crate) async fn dlq(config: Config, action: Action) -> anyhow::Result<Exit> {
    match action {
        Action::List { tables, limit, json } => list::list(&config, &tables, limit, json).await,
    }
}
