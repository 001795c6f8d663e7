//! Changes of a row as text.

use walcast_topics::{ColumnChange, KeyChange, OldValue, OtherKey, Value};

use super::shown::Shown;
use crate::cli::point_in_time::time_text;

/// Lines of a change: one that says when and where, then one for each column and each header.
pub(super) fn lines(shown: &Shown<'_>) -> Vec<String> {
    let change = shown.change;
    let mut lines = vec![headline(change)];
    match &change.other_key {
        Some(OtherKey::Old(key)) => lines.push(format!("  the key was {key}")),
        Some(OtherKey::New(key)) => lines.push(format!("  the key is now {key}")),
        None => {}
    }
    let names = shown.columns.iter().map(|column| column.column.chars().count());
    let width = names.max().unwrap_or_default();
    lines.extend(
        shown
            .columns
            .iter()
            .map(|column| format!("  {:<width$}  {}", column.column, values(column))),
    );
    lines.extend(headers(change).map(|header| format!("  {header}")));
    lines.push(String::new());
    lines
}

/// When, what and where: `2026-12-01T10:00:00Z  update  0/16B3748  xid 742  shop.public.orders/0/12`.
pub(super) fn headline(change: &KeyChange) -> String {
    let lsn = change.lsn.map_or_else(|| "-".to_owned(), |lsn| lsn.to_string());
    let xid = change.xid.map_or_else(|| "-".to_owned(), |xid| xid.to_string());
    format!(
        "{}  {}  {lsn}  xid {xid}  {}/{}/{}",
        time_text(change.commit_micros),
        change.operation.word(),
        change.topic,
        change.partition,
        change.offset
    )
}

/// Headers with context, each as `name: value`.
pub(in crate::cli) fn headers(change: &KeyChange) -> impl Iterator<Item = String> {
    change.context.iter().map(|header| {
        let value = header.value.as_deref().unwrap_or("null");
        format!("{}: {value}", header.name)
    })
}

fn values(column: &ColumnChange) -> String {
    let new = column
        .new
        .as_ref()
        .map_or_else(|| "(no such column)".to_owned(), Value::to_string);
    match &column.old {
        OldValue::Absent => new,
        OldValue::Known(old) => format!("{old} → {new}"),
        OldValue::Unknown => format!("? → {new}"),
    }
}

/// `3 changes`
pub(super) fn count(changes: usize) -> String {
    match changes {
        0 => "no changes".to_owned(),
        1 => "1 change".to_owned(),
        changes => format!("{changes} changes"),
    }
}
