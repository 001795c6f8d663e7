//! `walcast bookmark`: positions of the stream that stay available for a replay.

mod rewind;

use clap::{Args, Subcommand};
use serde::Serialize;
use walcast_delivery::{BookmarkSlots, DeliveryError, droppable};
use walcast_postgres::PostgresBookmarks;

use super::checkpoint::describe;
use super::config_args::ActionArgs;
use crate::bookmark_report::BookmarkReport;
use crate::bookmarking::{create, look, reports};
use crate::config::Config;
use crate::exit::{Exit, help_end};
use crate::stdout::stdout;

/// Keep a position of the stream for a later replay: create, list, rewind, drop
///
/// A bookmark is a replication slot of its own, so that the source keeps the WAL from its position. A running connector is not
/// disturbed; it drops a bookmark that reaches bookmarks.wal_budget.
#[derive(Debug, Args)]
#[command(after_help = help_end!(
    "  walcast bookmark create before_migration\n\
     \x20 walcast bookmark list\n\
     \x20 walcast bookmark rewind before_migration     deliver everything after it again (stop the connector first)"
))]
pub(crate) struct BookmarkArgs {
    #[command(subcommand)]
    pub(crate) action: Action,

    #[command(flatten)]
    pub(crate) options: ActionArgs,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Action {
    /// Keep the confirmed position of the connector's slot
    ///
    /// The bookmark is a copy of the slot, and takes one of max_replication_slots.
    #[command(after_help = help_end!(
        "  walcast bookmark create before_migration\n\
         \x20 walcast bookmark create before_migration --json | jq -r .lsn"
    ))]
    Create {
        /// Name of the bookmark: a-z, 0-9 and _
        name: String,
    },
    /// List the bookmarks: position, retained WAL, and when each expires
    #[command(after_help = help_end!(
        "  walcast bookmark list\n\
         \x20 walcast bookmark list --json | jq -r '.[] | select(.lost) | .name'"
    ))]
    List,
    /// Move a stopped connector to the position of a bookmark: the next start delivers everything after it again
    ///
    /// The connector's slot is replaced by a copy of the bookmark's, because a slot cannot be moved back. Each record has the same
    /// header walcast.id as before. The bookmark stays.
    #[command(after_help = help_end!(
        "  walcast bookmark rewind before_migration"
    ))]
    Rewind {
        /// Name of the bookmark
        name: String,
    },
    /// Drop a bookmark, so that the source can remove its WAL
    #[command(after_help = help_end!(
        "  walcast bookmark drop before_migration"
    ))]
    Drop {
        /// Name of the bookmark
        name: String,
    },
}

/// Result of `walcast bookmark drop`.
#[derive(Serialize)]
struct Dropped<'a> {
    dropped: &'a str,
}

pub(crate) async fn bookmark(config: Config, action: Action, json: bool) -> anyhow::Result<Exit> {
    let mut output = stdout();
    match action {
        Action::Create { name } => {
            let created = create(&config.postgres, &config.bookmarks, &name.parse()?).await?;
            match json {
                true => output.json(&created)?,
                false => output.line(&line(&created))?,
            };
        }
        Action::List => {
            let mut slots = PostgresBookmarks::connect(&config.postgres).await?;
            let reports = reports(&config.bookmarks, &look(&mut slots).await?);
            match json {
                true => output.json(&reports)?,
                false if reports.is_empty() => output.line(&format!("{} has no bookmarks", config.name))?,
                false => output.lines(reports.iter().map(line))?,
            };
        }
        Action::Rewind { name } => {
            let update = Box::pin(rewind::rewind_to(&config, &name)).await?;
            match json {
                true => output.json(&update.current)?,
                false => output.lines(describe(&config.name, &update.current))?,
            };
        }
        Action::Drop { name } => {
            drop_bookmark(&config, &name).await?;
            match json {
                true => output.json(&Dropped { dropped: &name })?,
                false => output.line(&format!("dropped bookmark {name}"))?,
            };
        }
    }
    output.flush()?;
    Ok(Exit::Done)
}

async fn drop_bookmark(config: &Config, name: &str) -> anyhow::Result<()> {
    let mut slots = PostgresBookmarks::connect(&config.postgres).await?;
    let sample = look(&mut slots).await?;
    let slot = droppable(&sample, name)?.slot.clone();
    Ok(slots.drop_slot(&slot).await.map_err(DeliveryError::Source)?)
}

/// One line for a bookmark.
fn line(report: &BookmarkReport) -> String {
    let unknown = || "?".to_owned();
    format!(
        "{:<30}  {:<7}  {}  {}  retains {} bytes  {}",
        report.name,
        report.kind,
        report.created.clone().unwrap_or_else(unknown),
        report.lsn.clone().unwrap_or_else(unknown),
        report.retained_bytes,
        report.end()
    )
}

#[cfg(test)]
mod tests {
    use walcast_delivery::{Bookmark, BookmarkSample, BookmarksInspected, WalStatus};
    use walcast_pgoutput::Lsn;

    use super::*;

    const GB: u64 = 1 << 30;

    fn bookmark(name: &str, position: u64) -> Bookmark {
        Bookmark {
            name: name.to_owned(),
            slot: format!("walcast_bm_{name}"),
            created_unix_seconds: 1_764_583_200,
            position: Some(Lsn::new(position)),
            restart_lsn: Some(Lsn::new(position)),
            active_pid: None,
            status: None,
            safe_wal_size: None,
            inactive: None,
            invalidation_reason: None,
        }
    }

    #[test]
    fn each_bookmark_is_one_line_with_its_end() {
        let lost = Bookmark {
            status: Some(WalStatus::Lost),
            ..bookmark("lost", GB)
        };
        let sample = BookmarkSample {
            end: Lsn::new(3 * GB),
            // Two hours later.
            now_unix_seconds: 1_764_590_400,
            free_slots: 1,
            source_restart_lsn: None,
            keep_size: None,
            idle_timeout: None,
            bookmarks: vec![
                lost,
                bookmark("before_migration", GB),
                bookmark("rolling_1", 3 * GB),
            ],
        };
        let reports = BookmarkReport::all(&BookmarksInspected::of(&sample, 4 * GB));
        let lines: Vec<String> = reports.iter().map(line).collect();
        let start = |name: &str, kind: &str, lsn: &str| {
            format!("{name:<30}  {kind:<7}  2025-12-01T10:00:00Z  {lsn}  retains")
        };
        assert_eq!(
            lines,
            [
                format!(
                    "{} 0 bytes  lost (wal_removed)",
                    start("lost", "manual", "0/40000000")
                ),
                format!(
                    "{} 2147483648 bytes  expires 2025-12-01T14:00:00Z by wal_budget",
                    start("before_migration", "manual", "0/40000000")
                ),
                format!(
                    "{} 0 bytes  expires after 4294967296 more bytes of WAL by wal_budget",
                    start("rolling_1", "rolling", "0/C0000000")
                ),
            ]
        );
    }
}
