//! A row as it was at one time.

use serde::Serialize;
use walcast_topics::{PointInTime, Row, RowState, RowStates, Value};

use super::json::ChangeJson;
use super::text;
use crate::cli::point_in_time::point_text;
use crate::cli::row_history::RowHistory;
use crate::exit::Exit;
use crate::stdout::stdout;

/// Row, as printed with `--json`.
#[derive(Serialize)]
struct Printed<'a> {
    table: &'a str,
    key: String,
    at: String,
    /// Null where there was no row.
    row: Option<serde_json::Map<String, serde_json::Value>>,
    /// The last change before that time.
    last_change: Option<ChangeJson<'a>>,
    /// Whether no change that was written to the topics can be missing.
    complete: bool,
    notes: Vec<String>,
}

pub(super) fn print(
    row: &RowHistory,
    at: PointInTime,
    columns: &[String],
    json: bool,
) -> anyhow::Result<Exit> {
    let changes = &row.history.changes;
    let states = RowStates::of(changes);
    let found = states.row(&row.key, row.ignored());
    let last = match found {
        Some((_, state)) => Some(state.last),
        None => states.deleted_by(&row.key, row.ignored()),
    };
    let last = last.map_or(changes.last(), |number| changes.get(number));
    let mut output = stdout();
    if json {
        output.json(&Printed {
            table: &row.table,
            key: row.key.to_string(),
            at: point_text(at),
            row: found.map(|(_, state)| {
                let selected = selected(state, columns);
                selected
                    .map(|(name, value)| (name.to_owned(), serde_json::to_value(value).unwrap_or_default()))
                    .collect()
            }),
            last_change: last.map(ChangeJson::without_columns),
            complete: row.is_complete(),
            notes: row.history.notes.iter().map(ToString::to_string).collect(),
        })?;
    } else {
        output.line(&format!("{} {} at {}", row.table, row.key, point_text(at)))?;
        match found {
            Some((key, state)) => output.lines(lines(key, state, row, columns))?,
            None => output.line("  no row")?,
        };
        if let Some(last) = last {
            output.line(&format!("last change: {}", text::headline(last)))?;
        }
        output.lines(row.notes())?;
    }
    output.flush()?;
    Ok(Exit::Done)
}

fn selected<'s>(state: &'s RowState, columns: &'s [String]) -> impl Iterator<Item = (&'s str, &'s Value)> {
    let all = state.columns.iter();
    all.filter(|(name, _)| columns.is_empty() || columns.contains(name))
        .map(|(name, origin)| (name.as_str(), &origin.value))
}

/// One line for each column, after the key if the row had another one.
fn lines(key: &Row, state: &RowState, row: &RowHistory, columns: &[String]) -> Vec<String> {
    let mut lines = Vec::new();
    if !row.key.is(key, row.ignored()) {
        lines.push(format!("  the key was {key}"));
    }
    let names = selected(state, columns).map(|(name, _)| name.chars().count());
    let width = names.max().unwrap_or_default();
    lines.extend(selected(state, columns).map(|(name, value)| format!("  {name:<width$}  {value}")));
    lines
}
