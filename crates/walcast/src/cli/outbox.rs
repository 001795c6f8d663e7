//! `walcast outbox`: hands polled outboxes over to a stream.

mod hand_over;

use std::path::PathBuf;

use clap::{Args, Subcommand};

pub(crate) use self::hand_over::hand_over;
use super::config_args::ActionArgs;
use crate::exit::help_end;

/// Move polled outboxes to the WAL: move
#[derive(Debug, Args)]
#[command(after_help = help_end!(
    "  walcast outbox move --config polling.toml --to streaming.toml --dry-run\n\
     \x20 walcast outbox move --config polling.toml --to streaming.toml"
))]
pub(crate) struct OutboxArgs {
    #[command(subcommand)]
    pub(crate) action: Action,

    #[command(flatten)]
    pub(crate) options: ActionArgs,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Action {
    Move(MoveArgs),
}

/// Stream the outboxes of a stopped connector that polls, from one position on; no event is lost or sent twice
///
/// Creates slot and publication where they are missing, sends the events of the rows that committed before a position of the WAL, marks
/// the rows, and writes the first checkpoint, at that position. Writers are not held up. Both configurations have the same name, and the
/// same outboxes, with source = "poll" in the first and without it in the second. Afterwards, start the connector with the second
/// configuration; the first one is rejected from then on. A command that was interrupted can be repeated, or the connector can poll again.
#[derive(Debug, Args)]
#[command(after_help = help_end!(
    "  walcast outbox move --config polling.toml --to streaming.toml --dry-run    check, and change nothing\n\
     \x20 walcast outbox move --config polling.toml --to streaming.toml\n\
     \x20 walcast run --config streaming.toml"
))]
pub(crate) struct MoveArgs {
    /// The configuration that streams the outboxes
    #[arg(long, value_name = "FILE")]
    pub(crate) to: PathBuf,

    /// Check whether the outboxes can be moved, and show their backlog; change nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
}
