//! `walcast dlq`: the changes that could not be delivered.

mod done;
mod letter;
mod list;
mod retry;

use clap::{Args, Subcommand};
use walcast_mapper::TablePattern;

use self::letter::Choice;
use super::ConfigArgs;
use crate::config::Config;
use crate::exit::{Exit, help_end};

/// Deal with the changes that could not be delivered and were kept as dead letters: list, retry, done
#[derive(Debug, Args)]
#[command(after_help = help_end!(
    "  walcast dlq list                           all, oldest first\n\
     \x20 walcast dlq list --json | jq .after        their rows\n\
     \x20 walcast dlq retry                          deliver their rows as they are now\n\
     \x20 walcast dlq done --id 0/16B3748/3          take one off the list"
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
    /// Have the running connector deliver the rows of dead letters as they are now, once what was wrong is mended
    ///
    /// The rows are read from their tables and stand in their topics at that place of the log. The letters are taken off the list
    /// in the same Kafka transaction. For a key that a row has lost and none has now, a delete is sent. Letters that this cannot
    /// deal with are listed with what is to be done, and stay; exit code 6 tells of them.
    #[command(after_help = help_end!(
        "  walcast dlq retry --dry-run                what would be read, and what is left\n\
         \x20 walcast dlq retry\n\
         \x20 walcast dlq retry --table 'public.order*'\n\
         \x20 walcast dlq retry --id 0/16B3748/3 --json"
    ))]
    Retry {
        /// Only those of tables that a pattern over schema.table chooses; can be given several times
        #[arg(long = "table", value_name = "PATTERN")]
        tables: Vec<TablePattern>,
        /// Only the one with this walcast.id; can be given several times
        #[arg(long = "id", value_name = "WALCAST_ID")]
        ids: Vec<String>,
        /// Ask for nothing; tell what would be read
        #[arg(long)]
        dry_run: bool,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Take dead letters off the list, without reading or sending anything; a running connector is not disturbed
    #[command(after_help = help_end!(
        "  walcast dlq done --id 0/16B3748/3\n\
         \x20 walcast dlq done --table public.orders     all of one table\n\
         \x20 walcast dlq done --table '*.*'             all"
    ))]
    Done {
        /// Those of tables that a pattern over schema.table chooses; can be given several times
        #[arg(long = "table", value_name = "PATTERN", required_unless_present = "ids")]
        tables: Vec<TablePattern>,
        /// The one with this walcast.id; can be given several times
        #[arg(long = "id", value_name = "WALCAST_ID")]
        ids: Vec<String>,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

pub(crate) async fn dlq(config: Config, action: Action) -> anyhow::Result<Exit> {
    match action {
        Action::List { tables, limit, json } => list::list(&config, tables, limit, json).await,
        Action::Retry {
            tables,
            ids,
            dry_run,
            json,
        } => Box::pin(retry::retry(&config, &Choice { tables, ids }, dry_run, json)).await,
        Action::Done { tables, ids, json } => done::done(&config, &Choice { tables, ids }, json).await,
    }
}
