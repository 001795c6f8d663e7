//! `walcast checkpoint`: shows and moves the position at which the connector resumes.

mod accept_violation;
mod at;
mod requests;
mod reset;
mod set;
mod show;
#[cfg(test)]
mod tests;

pub(super) use self::set::{acquire_leadership, open_stopped};
pub(super) use self::show::describe;

use clap::{Args, Subcommand};
use walcast_mapper::pattern::TablePattern;
use walcast_pgoutput::Lsn;
use walcast_topics::PointInTime;

use super::config_args::ActionArgs;
use super::point_in_time::point_in_time;
use crate::config::Config;
use crate::exit::{Exit, help_end};

/// Show or move the position at which the connector resumes
#[derive(Debug, Args)]
#[command(after_help = help_end!(
    "  walcast checkpoint show                    position of the next start; safe while it runs\n\
     \x20 walcast checkpoint list                    positions available for replay\n\
     \x20 walcast checkpoint set 0/16B3748           resume there (stop the connector first)"
))]
pub(crate) struct CheckpointArgs {
    #[command(subcommand)]
    pub(crate) action: Action,

    #[command(flatten)]
    pub(crate) options: ActionArgs,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Action {
    /// Show the checkpoint; a running connector is not disturbed
    #[command(after_help = help_end!(
        "  walcast checkpoint show\n\
         \x20 walcast checkpoint show --json | jq -r .end_lsn"
    ))]
    Show,
    /// List the positions available for replay; a running connector is not disturbed
    ///
    /// Positions between those listed are available as well. replay.retention sets how far back they reach.
    #[command(after_help = help_end!(
        "  walcast checkpoint list\n\
         \x20 walcast checkpoint list --json | jq -r '.positions[].end_lsn'"
    ))]
    List,
    /// Find the position of a time, and the offsets of the topics there; a running connector is not disturbed
    ///
    /// A consumer group whose offsets are reset to these offsets reads every transaction that committed at that time or position or
    /// later again, and none before it. The topics are read; neither Postgres nor WAL is needed.
    #[command(after_help = help_end!(
        "  walcast checkpoint at 2026-12-01T10:00:00Z\n\
         \x20 walcast checkpoint at 0/16B3748 --tables public.orders\n\
         \x20 walcast checkpoint at 2026-12-01T10:00:00Z --offsets csv > offsets.csv\n\
         \x20 kafka-consumer-groups.sh --bootstrap-server kafka:9092 --group billing --reset-offsets --from-file offsets.csv --execute"
    ))]
    At {
        /// An LSN such as 0/16B3748, or a time such as 2026-12-01T10:00:00Z
        #[arg(value_name = "LSN|TIME", value_parser = point_in_time)]
        point: PointInTime,
        /// Print the offsets only: csv is the form of kafka-consumer-groups --reset-offsets --from-file
        #[arg(long, value_name = "FORMAT")]
        offsets: Option<at::OffsetsFormat>,
        /// Only topics of tables that match this pattern over schema.table; can be given several times
        #[arg(long, value_name = "PATTERN")]
        tables: Vec<TablePattern>,
    },
    /// Move a stopped connector: the next start resumes after LSN
    ///
    /// Transactions that end after LSN are delivered (again), each record with the same header walcast.id as before. LSN
    /// must lie between the slot's position and the last delivered position; otherwise it is rejected, and the error names
    /// the nearest position.
    #[command(after_help = help_end!(
        "  walcast checkpoint set 0/16B3748\n\
         \x20 walcast checkpoint set 0/16B3748 --accept-gap      if a halt message says so\n\
         \x20 walcast checkpoint set 0/16B3748 --accept-cluster  after pg_upgrade, at the slot's position"
    ))]
    Set {
        /// Position, in the format of Postgres
        lsn: Lsn,
        /// Accept that changes were missed, or were delivered although the server no longer has them
        #[arg(long)]
        accept_gap: bool,
        /// Accept a cluster that pg_upgrade made from the checkpoint's; LSN is its slot's position
        #[arg(long)]
        accept_cluster: bool,
    },
    /// List the snapshot requests in the checkpoint; a running connector is not disturbed
    #[command(after_help = help_end!(
        "  walcast checkpoint requests\n\
         \x20 walcast checkpoint requests --json | jq -r '.requests[].table'"
    ))]
    Requests,
    /// Drop snapshot requests from the checkpoint of a stopped connector
    ///
    /// For a running connector, use walcast snapshot stop.
    #[command(after_help = help_end!(
        "  walcast checkpoint drop-requests                            all requests\n\
         \x20 walcast checkpoint drop-requests --tables public.orders"
    ))]
    DropRequests {
        /// Only requests for tables that match this pattern over schema.table; can be given several times
        #[arg(long, value_name = "PATTERN")]
        tables: Vec<TablePattern>,
    },
    /// Let a connector continue that has halted before an event which breaks the order of its stream
    ///
    /// The next start sends the event. It is for event stores with on_violation = "halt"; `checkpoint show` names the violation.
    #[command(after_help = help_end!(
        "  walcast checkpoint accept-violation\n\
         \x20 walcast checkpoint accept-violation --json | jq -r .accepted.error"
    ))]
    AcceptViolation,
    /// Delete the checkpoint and its history: the next start is a first start
    #[command(after_help = help_end!(
        "  walcast checkpoint reset\n\
         \x20 walcast checkpoint reset --yes     in a script"
    ))]
    Reset {
        /// Do not ask for confirmation
        #[arg(long)]
        yes: bool,
    },
}

pub(crate) async fn checkpoint(config: Config, action: Action, json: bool) -> anyhow::Result<Exit> {
    match action {
        Action::Show => show::show(&config, json).await,
        Action::At {
            point,
            offsets,
            tables,
        } => Box::pin(at::at(&config, point, offsets, &tables, json)).await,
        Action::List => show::list(&config, json).await,
        Action::Set {
            lsn,
            accept_gap,
            accept_cluster,
        } => {
            let accepted = set::Accepted {
                gap: accept_gap,
                cluster: accept_cluster,
            };
            set::set(&config, lsn, accepted, json).await
        }
        Action::Requests => requests::list(&config, json).await,
        Action::DropRequests { tables } => requests::drop(&config, &tables, json).await,
        Action::AcceptViolation => accept_violation::accept_violation(&config, json).await,
        Action::Reset { yes } => reset::reset(&config, yes, json).await,
    }
}
