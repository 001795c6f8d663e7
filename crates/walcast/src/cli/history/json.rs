//! Changes of a row as JSON.

use serde::Serialize;
use walcast_topics::{ColumnChange, Header, KeyChange, OldValue, OtherKey, Row, Value};

use super::shown::Shown;
use crate::cli::point_in_time::time_text;

/// Change, as printed with `--json`.
#[derive(Serialize)]
pub(in crate::cli) struct ChangeJson<'a> {
    id: Option<String>,
    lsn: Option<String>,
    xid: Option<u32>,
    committed_at: Option<String>,
    operation: &'static str,
    topic: &'a str,
    partition: i32,
    offset: i64,
    key: &'a Row,
    #[serde(skip_serializing_if = "Option::is_none")]
    old_key: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    new_key: Option<&'a str>,
    #[serde(skip_serializing_if = "serde_json::Map::is_empty")]
    changed: serde_json::Map<String, serde_json::Value>,
    before: Option<&'a Row>,
    after: Option<&'a Row>,
    headers: &'a [Header],
}

impl<'a> ChangeJson<'a> {
    pub(super) fn of(shown: &Shown<'a>) -> Self {
        let columns = shown
            .columns
            .iter()
            .map(|column| (column.column.clone(), changed(column)));
        Self {
            changed: columns.collect(),
            ..Self::without_columns(shown.change)
        }
    }

    /// Change without the columns that it changed.
    pub(in crate::cli) fn without_columns(change: &'a KeyChange) -> Self {
        let (old_key, new_key) = match &change.other_key {
            Some(OtherKey::Old(key)) => (Some(key.as_str()), None),
            Some(OtherKey::New(key)) => (None, Some(key.as_str())),
            None => (None, None),
        };
        Self {
            id: change.id.map(|id| id.to_string()),
            lsn: change.lsn.map(|lsn| lsn.to_string()),
            xid: change.xid,
            committed_at: change.commit_micros.map(|micros| time_text(Some(micros))),
            operation: change.operation.word(),
            topic: &change.topic,
            partition: change.partition,
            offset: change.offset,
            key: &change.key,
            old_key,
            new_key,
            changed: serde_json::Map::new(),
            before: change.before.as_ref(),
            after: change.after.as_ref(),
            headers: &change.context,
        }
    }
}

/// `{"old": …, "new": …}`; a value that is absent or unknown is left out.
fn changed(column: &ColumnChange) -> serde_json::Value {
    let json = |value: &Value| serde_json::to_value(value).unwrap_or_default();
    let mut parts = serde_json::Map::new();
    match &column.old {
        OldValue::Known(value) => {
            parts.insert("old".to_owned(), json(value));
        }
        OldValue::Absent => {}
        OldValue::Unknown => {
            parts.insert("old_unknown".to_owned(), true.into());
        }
    }
    if let Some(new) = &column.new {
        parts.insert("new".to_owned(), json(new));
    }
    parts.into()
}
