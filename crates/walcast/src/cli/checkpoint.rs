//! `walcast checkpoint`: where the connector goes on, and moving it.

mod reset;
mod set;
mod show;
#[cfg(test)]
mod tests;

pub(super) use self::set::take_lead;
pub(super) use self::show::describe;

use clap::{Args, Subcommand};
use walcast_pgoutput::Lsn;

use super::ConfigArgs;
use crate::config::Config;
use crate::exit::{Exit, help_end};

/// Show or move the position where the connector goes on
#[derive(Debug, Args)]
#[command(after_help = help_end!(
    "  walcast checkpoint show                    where it goes on, without disturbing it\n\
     \x20 walcast checkpoint list                    positions that can be replayed from\n\
     \x20 walcast checkpoint set 0/16B3748           go on from there (stop the connector first)"
))]
pub(crate) struct CheckpointArgs {
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
    /// Show the checkpoint; a running connector is not disturbed
    #[command(after_help = help_end!(
        "  walcast checkpoint show\n\
         \x20 walcast checkpoint show --json | jq -r .end_lsn"
    ))]
    Show,
    /// List the positions that can be replayed from; a running connector is not disturbed
    ///
    /// Positions between those listed can be replayed from as well. How far back they reach is set by replay.keep.
    #[command(after_help = help_end!(
        "  walcast checkpoint list\n\
         \x20 walcast checkpoint list --json | jq -r '.positions[].end_lsn'"
    ))]
    List,
    /// Move a stopped connector: the next start goes on after LSN
    ///
    /// Transactions that end after LSN are delivered (again), each record with the same header walcast.id as before. LSN
    /// must lie between the slot's position and what was delivered last; otherwise it is refused, and the nearest position
    /// is named.
    #[command(after_help = help_end!(
        "  walcast checkpoint set 0/16B3748\n\
         \x20 walcast checkpoint set 0/16B3748 --accept-gap      after a halt that says so"
    ))]
    Set {
        /// The position, as Postgres prints it
        lsn: Lsn,
        /// Accept that changes were missed, or delivered though the server no longer has them
        #[arg(long)]
        accept_gap: bool,
    },
    /// Delete the checkpoint and its history: the next start begins as if it were the first
    #[command(after_help = help_end!(
        "  walcast checkpoint reset\n\
         \x20 walcast checkpoint reset --yes     where nobody can be asked"
    ))]
    Reset {
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
}

pub(crate) async fn checkpoint(config: Config, action: Action, json: bool) -> anyhow::Result<Exit> {
    match action {
        Action::Show => show::show(&config, json).await,
        Action::List => show::list(&config, json).await,
        Action::Set { lsn, accept_gap } => set::set(&config, lsn, accept_gap, json).await,
        Action::Reset { yes } => reset::reset(&config, yes, json).await,
    }
}
