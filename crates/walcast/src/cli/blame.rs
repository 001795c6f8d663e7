//! `walcast blame`: the change that set each column of a row.

use clap::Args;
use serde::Serialize;
use walcast_mapper::pattern::TablePattern;
use walcast_topics::{ColumnOrigin, KeyChange, RowStates, TypedKey, Value, Window};

use super::config_args::ConfigArgs;
use super::history::{ChangeJson, headers};
use super::point_in_time::time_text;
use super::row_history::RowHistory;
use crate::config::Config;
use crate::exit::{Exit, help_end};
use crate::stdout::stdout;

/// Show each column of a row with the change that set its value
///
/// For each column: the value, and commit time, position, transaction id and context of the change that set it last. "or
/// earlier": the change is the first in the topic that has the value.
#[derive(Debug, Args)]
#[command(after_help = help_end!(
    "  walcast blame public.orders 8471\n\
     \x20 walcast blame public.stock id=8471,region=eu\n\
     \x20 walcast blame public.orders 8471 --json | jq '.columns.total.change.committed_at'"
))]
pub(crate) struct BlameArgs {
    #[command(flatten)]
    pub(crate) config: ConfigArgs,

    #[command(flatten)]
    pub(crate) request: BlameRequest,
}

/// Row whose columns are explained.
#[derive(Debug, Args)]
pub(crate) struct BlameRequest {
    /// The table, as schema.table
    table: TablePattern,
    /// The key: a value, or column=value for each column, separated by commas; quotes ('…') around values with commas
    key: TypedKey,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Row, as printed with `--json`.
#[derive(Serialize)]
struct Printed<'a> {
    table: &'a str,
    key: String,
    columns: serde_json::Map<String, serde_json::Value>,
    /// Change that deleted the row; null if the row exists.
    deleted: Option<ChangeJson<'a>>,
    /// Whether no change that was written to the topics can be missing.
    complete: bool,
    notes: Vec<String>,
}

/// Column, as printed with `--json`.
#[derive(Serialize)]
struct ColumnJson<'a> {
    value: &'a Value,
    /// Whether the change set the value, or is only the first that has it.
    exact: bool,
    change: Option<ChangeJson<'a>>,
}

pub(crate) async fn blame(config: Config, request: BlameRequest) -> anyhow::Result<Exit> {
    let row = RowHistory::read(&config, &request.table, request.key, Window::default()).await?;
    let changes = &row.history.changes;
    let Some(last) = changes.last() else {
        return Err(row.not_found().into());
    };
    let states = RowStates::of(changes);
    let found = states.row(&row.key, row.ignored());
    let deleted = states.deleted_by(&row.key, row.ignored());
    let last = deleted.and_then(|number| changes.get(number)).unwrap_or(last);
    let columns = found.map_or(&[][..], |(_, state)| &state.columns);
    let mut output = stdout();
    if request.json {
        let columns = columns.iter().map(|(name, origin)| {
            let change = changes.get(origin.set_by);
            let column = ColumnJson {
                value: &origin.value,
                exact: origin.is_exact,
                change: change.map(ChangeJson::without_columns),
            };
            Ok((name.clone(), serde_json::to_value(&column)?))
        });
        output.json(&Printed {
            table: &row.table,
            key: row.key.to_string(),
            columns: columns.collect::<serde_json::Result<_>>()?,
            deleted: found.is_none().then(|| ChangeJson::without_columns(last)),
            complete: row.is_complete(),
            notes: row.history.notes.iter().map(ToString::to_string).collect(),
        })?;
    } else {
        match found {
            Some((key, _)) if !row.key.is(key, row.ignored()) => {
                output.line(&format!("the key is now {key}"))?;
            }
            Some(_) => {}
            None => {
                output.line(&format!("the row was deleted: {}", origin_text(last)))?;
            }
        }
        output.lines(lines(columns, changes))?;
        output.lines(row.notes())?;
    }
    output.flush()?;
    Ok(Exit::Done)
}

/// Longest value that is padded: a longer one would move the columns after it away.
const PADDED_MAX: usize = 40;

/// One line for each column: name, value, and the change that set it.
fn lines(columns: &[(String, ColumnOrigin)], changes: &[KeyChange]) -> Vec<String> {
    let rows: Vec<(&str, String, &ColumnOrigin)> = columns
        .iter()
        .map(|(name, origin)| (name.as_str(), origin.value.to_string(), origin))
        .collect();
    let widest = |text: &mut dyn Iterator<Item = usize>| text.max().unwrap_or_default();
    let name_width = widest(&mut rows.iter().map(|(name, ..)| name.chars().count()));
    let lengths = rows.iter().map(|(_, value, _)| value.chars().count());
    let value_width = widest(&mut lengths.filter(|length| *length <= PADDED_MAX));
    let lines = rows.iter().map(|(name, value, origin)| {
        let change = changes.get(origin.set_by).map_or_else(String::new, origin_text);
        let earlier = if origin.is_exact { "" } else { "  (or earlier)" };
        format!("{name:<name_width$}  {value:<value_width$}  {change}{earlier}")
    });
    lines.collect()
}

/// When, where and why: `2026-12-01T10:00:00Z  0/16B3748  xid 742  update  walcast.context: {…}`.
fn origin_text(change: &KeyChange) -> String {
    let lsn = change.lsn.map_or_else(|| "-".to_owned(), |lsn| lsn.to_string());
    let xid = change.xid.map_or_else(|| "-".to_owned(), |xid| xid.to_string());
    let mut text = format!(
        "{}  {lsn}  xid {xid}  {}",
        time_text(change.commit_micros),
        change.operation.word()
    );
    for header in headers(change) {
        text.push_str("  ");
        text.push_str(&header);
    }
    text
}
