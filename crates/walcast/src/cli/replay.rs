//! `walcast replay`: sends a stored window of changes again, beside the running connector.
//!
//! ```text
//! StartArgs ──plan──▶ Plan: topics, ranges of offsets, gaps ──choose──▶ Chosen: topics or WAL
//!                        (dry run: counted, nothing written)                │ begin
//!                                                                            ▼
//!          side topics ◀──WalCopier: window of a copied slot, or Copier: records of the topics── Replay (topic of replays)
//!                         ReplayProgress, in the same Kafka transaction
//! ```
//!
//! The source is the topics: records that were delivered, chosen by their positions, copied byte by byte. Where these lack records of the
//! window, it is WAL, if a bookmark or the slot of the connector retains it, decoded and encoded again as it was delivered.

mod args;
mod cancel;
mod copy;
mod counted;
mod created_again;
mod gap;
mod list;
mod plan;
mod previous;
mod progress_bar;
mod reachable;
mod report;
mod retained;
mod source;
mod start;
mod stored;
mod wal;
mod wal_copy;
mod wal_counted;

use clap::{Args, Subcommand};

use self::args::StartArgs;
use super::config_args::ActionArgs;
use crate::config::Config;
use crate::exit::{Exit, help_end};

/// Send stored changes again, beside the running connector: start, list, status, cancel
#[derive(Debug, Args)]
#[command(after_help = help_end!(
    "  walcast replay start --from 2026-12-01 --to 2026-12-02 --into fix    into side topics fix.*\n\
     \x20 walcast replay list                                                  all replays\n\
     \x20 walcast replay cancel fix                                            end one for good"
))]
pub(crate) struct ReplayArgs {
    #[command(subcommand)]
    pub(crate) action: Action,

    #[command(flatten)]
    pub(crate) options: ActionArgs,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Action {
    Start(StartArgs),
    /// List the replays with window, state and progress
    #[command(after_help = help_end!(
        "  walcast replay list\n\
         \x20 walcast replay list --json | jq -r '.replays[] | select(.state == \"unfinished\").name'"
    ))]
    List,
    /// Show one replay, topic by topic
    #[command(after_help = help_end!(
        "  walcast replay status fix\n\
         \x20 walcast replay status fix --json | jq .records"
    ))]
    Status {
        /// The name of the replay
        #[arg(value_name = "NAME", value_parser = args::replay_name)]
        name: String,
    },
    /// End a replay for good, also one that runs
    ///
    /// Records that were sent stay where they are; the report counts them. A cancelled replay is not resumed; its name is not used
    /// again.
    #[command(after_help = help_end!("  walcast replay cancel fix"))]
    Cancel {
        /// The name of the replay
        #[arg(value_name = "NAME", value_parser = args::replay_name)]
        name: String,
    },
}

pub(crate) async fn replay(config: Config, action: Action, json: bool) -> anyhow::Result<Exit> {
    match action {
        Action::Start(args) => Box::pin(start::start(&config, args, json)).await,
        Action::List => list::list(&config, json).await,
        Action::Status { name } => list::status(&config, &name, json).await,
        Action::Cancel { name } => cancel::cancel(&config, &name, json).await,
    }
}
