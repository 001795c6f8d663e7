//! `walcast dlq`: lists and resolves dead letters.

mod discard;
mod letter;
mod list;
mod redeliver;

use clap::{Args, Subcommand};
use walcast_mapper::pattern::TablePattern;

use self::letter::Choice;
use super::config_args::ConfigArgs;
use crate::config::Config;
use crate::exit::{Exit, help_end};

/// Manage dead letters, the changes that could not be delivered: list, redeliver, discard
#[derive(Debug, Args)]
#[command(after_help = help_end!(
    "  walcast dlq list                           all dead letters, oldest first\n\
     \x20 walcast dlq list --json | jq .after        their rows\n\
     \x20 walcast dlq redeliver                      deliver their current rows\n\
     \x20 walcast dlq discard --id 0/16B3748/3       resolve one without delivering it"
))]
pub(crate) struct DlqArgs {
    #[command(subcommand)]
    pub(crate) action: Action,

    #[command(flatten)]
    pub(crate) config: ConfigArgs,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Action {
    /// List dead letters in WAL order; a running connector is not disturbed
    #[command(after_help = help_end!(
        "  walcast dlq list --table 'public.order*' --limit 10\n\
         \x20 walcast dlq list --json | jq -r .id"
    ))]
    List {
        /// Only dead letters of tables that match this pattern over schema.table; can be given several times
        #[arg(long = "table", value_name = "PATTERN")]
        tables: Vec<TablePattern>,
        /// List at most COUNT dead letters, oldest first
        #[arg(long, value_name = "COUNT")]
        limit: Option<usize>,
        /// Print each dead letter as stored in Kafka, one JSON object per line
        #[arg(long)]
        json: bool,
    },
    /// Have the running connector deliver the current rows of dead letters, after the cause is fixed
    ///
    /// The connector reads the rows from their tables, at their place in WAL order, and resolves the dead letters in the same
    /// Kafka transaction. If no row has a previous key any more, a delete is sent for that key. Dead letters that cannot be
    /// resolved by a read remain and are listed with the remedy; the exit code is then 6.
    #[command(after_help = help_end!(
        "  walcast dlq redeliver --dry-run            what would be read, and what would remain\n\
         \x20 walcast dlq redeliver\n\
         \x20 walcast dlq redeliver --table 'public.order*'\n\
         \x20 walcast dlq redeliver --id 0/16B3748/3 --json"
    ))]
    Redeliver {
        /// Only dead letters of tables that match this pattern over schema.table; can be given several times
        #[arg(long = "table", value_name = "PATTERN")]
        tables: Vec<TablePattern>,
        /// Only the dead letter with this walcast.id; can be given several times
        #[arg(long = "id", value_name = "WALCAST_ID")]
        ids: Vec<String>,
        /// Send no request; print what would be read
        #[arg(long)]
        dry_run: bool,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Resolve dead letters without reading or sending anything; a running connector is not disturbed
    #[command(after_help = help_end!(
        "  walcast dlq discard --id 0/16B3748/3\n\
         \x20 walcast dlq discard --table public.orders  all dead letters of one table\n\
         \x20 walcast dlq discard --table '*.*'          all dead letters"
    ))]
    Discard {
        /// Dead letters of tables that match this pattern over schema.table; can be given several times
        #[arg(long = "table", value_name = "PATTERN", required_unless_present = "ids")]
        tables: Vec<TablePattern>,
        /// Dead letter with this walcast.id; can be given several times
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
        Action::Redeliver {
            tables,
            ids,
            dry_run,
            json,
        } => {
            Box::pin(redeliver::redeliver(
                &config,
                &Choice { tables, ids },
                dry_run,
                json,
            ))
            .await
        }
        Action::Discard { tables, ids, json } => {
            discard::discard(&config, &Choice { tables, ids }, json).await
        }
    }
}
