//! `walcast history`: every change of one row, or the row as it was at one time.

mod as_of;
mod json;
mod shown;
mod text;

pub(super) use self::json::ChangeJson;
pub(super) use self::text::headers;

use clap::Args;
use serde::Serialize;
use walcast_mapper::pattern::TablePattern;
use walcast_topics::{PointInTime, RowStates, TypedKey, Window};

use self::shown::Shown;
use super::config_args::ConfigArgs;
use super::point_in_time::point_in_time;
use super::row_history::RowHistory;
use crate::config::Config;
use crate::exit::{Exit, help_end};
use crate::stdout::{Reader, stdout};

/// Show every change of one row, read back from its topic
///
/// Each change is compared with the row before it: old and new value of each column, commit time, position, transaction id, and
/// headers with context. Where the key of the row was updated, its changes under the other keys are shown too. Only the
/// partition of the key is read. Notes say what makes the history incomplete, such as retention or compaction.
#[derive(Debug, Args)]
#[command(after_help = help_end!(
    "  walcast history public.orders 8471\n\
     \x20 walcast history public.stock id=8471,region=eu --columns amount\n\
     \x20 walcast history public.orders 8471 --from 2026-12-01 --to 2026-12-02T10:00:00Z\n\
     \x20 walcast history public.orders 8471 --at 0/16B3748      the row as it was at that position\n\
     \x20 walcast history public.orders 8471 --json | jq '.changes[].changed.total'"
))]
pub(crate) struct HistoryArgs {
    #[command(flatten)]
    pub(crate) config: ConfigArgs,

    #[command(flatten)]
    pub(crate) request: HistoryRequest,
}

/// Request for a history.
#[derive(Debug, Args)]
pub(crate) struct HistoryRequest {
    /// The table, as schema.table
    table: TablePattern,
    /// The key: a value, or column=value for each column, separated by commas; quotes ('…') around values with commas
    key: TypedKey,
    /// Only changes of transactions that committed at this LSN or time or later; the values before them are not read
    #[arg(long, value_name = "LSN|TIME", value_parser = point_in_time)]
    from: Option<PointInTime>,
    /// Only changes of transactions that committed at this LSN or time or before
    #[arg(long, value_name = "LSN|TIME", value_parser = point_in_time)]
    to: Option<PointInTime>,
    /// Only these columns, and the changes that changed one of them
    #[arg(long, value_name = "COLUMNS", value_delimiter = ',')]
    columns: Vec<String>,
    /// Print the row as it was after all transactions that committed up to this LSN or time
    #[arg(long, value_name = "LSN|TIME", value_parser = point_in_time, conflicts_with_all = ["from", "to"])]
    at: Option<PointInTime>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(crate) async fn history(config: Config, request: HistoryRequest) -> anyhow::Result<Exit> {
    let window = Window {
        from: request.from,
        to: request.to.or(request.at),
    };
    let row = RowHistory::read(&config, &request.table, request.key, window).await?;
    if let Some(at) = request.at {
        return as_of::print(&row, at, &request.columns, request.json);
    }
    if row.history.changes.is_empty() && request.from.is_none() && request.to.is_none() {
        return Err(row.not_found().into());
    }
    let states = RowStates::of(&row.history.changes);
    let shown = row.history.changes.iter().zip(&states.steps);
    let shown: Vec<Shown<'_>> = shown
        .filter_map(|(change, step)| Shown::of(change, step, &request.columns))
        .collect();
    let mut output = stdout();
    if request.json {
        output.json(&Printed {
            table: &row.table,
            key: row.key.to_string(),
            topics: &row.topics,
            changes: shown.iter().map(ChangeJson::of).collect(),
            complete: row.is_complete(),
            notes: row.history.notes.iter().map(ToString::to_string).collect(),
        })?;
    } else {
        for change in &shown {
            if output.lines(text::lines(change))? == Reader::Gone {
                return Ok(Exit::Done);
            }
        }
        output.line(&text::count(shown.len()))?;
        output.lines(row.notes())?;
    }
    output.flush()?;
    Ok(Exit::Done)
}

/// History, as printed with `--json`.
#[derive(Serialize)]
struct Printed<'a> {
    table: &'a str,
    key: String,
    topics: &'a [String],
    changes: Vec<ChangeJson<'a>>,
    /// Whether no change that was written to the topics can be missing.
    complete: bool,
    notes: Vec<String>,
}
