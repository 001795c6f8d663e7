//! States of a row: what each change changed, the row as it is after all of them, and which change set each column.

use std::collections::BTreeMap;

use crate::change::Operation;
use crate::key_change::{KeyChange, OtherKey};
use crate::typed_key::TypedKey;
use crate::value::{Row, Value};

/// What one change did to one column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ColumnChange {
    /// Name of the column.
    pub column: String,
    /// Value before.
    pub old: OldValue,
    /// Value after; `None` if the row has no such column any more.
    pub new: Option<Value>,
}

/// Value of a column before a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OldValue {
    /// The value.
    Known(Value),
    /// There was no row, or no such column.
    Absent,
    /// The value is not in the records that were read.
    Unknown,
}

/// Column of a row, and the change that set it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ColumnOrigin {
    /// Value.
    pub value: Value,
    /// Index of the change that set the value.
    pub set_by: usize,
    /// Whether that change set it. Otherwise it is the first that has the value: an earlier one, which was not read, may have set it.
    pub is_exact: bool,
}

/// Row as it is after a number of changes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RowState {
    /// Columns in the order of the last change.
    pub columns: Vec<(String, ColumnOrigin)>,
    /// Index of the last change of the row.
    pub last: usize,
}

/// Changes of a row with their effects.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RowStates {
    /// Columns that each change changed, in the order of the changes. Empty for a delete.
    pub steps: Vec<Vec<ColumnChange>>,
    /// Rows that exist after the last change, by their key.
    rows: BTreeMap<String, (Row, RowState)>,
}

impl RowStates {
    /// Follows changes in their order.
    #[must_use]
    pub fn of(changes: &[KeyChange]) -> Self {
        let mut states = Self::default();
        // The state of a row whose key is updated, between its delete and its create.
        let mut moved: Option<RowState> = None;
        for (number, change) in changes.iter().enumerate() {
            let key = change.key.to_string();
            let is_moved_here = matches!(change.other_key, Some(OtherKey::Old(_)));
            let before = match states.rows.remove(&key) {
                Some((_, state)) => Some(state),
                None if is_moved_here => moved.take(),
                None => None,
            };
            let Some(after) = &change.after else {
                let is_moved_away = matches!(change.other_key, Some(OtherKey::New(_)));
                moved = before.filter(|_| is_moved_away).or(moved);
                states.steps.push(Vec::new());
                continue;
            };
            let (step, state) = step(number, change, before.as_ref(), after);
            states.steps.push(step);
            states.rows.insert(key, (change.key.clone(), state));
        }
        states
    }

    /// The row with this key, or, if there is none, the row that had it and was changed last under another key.
    #[must_use]
    pub fn row(&self, key: &TypedKey, ignored: &[String]) -> Option<(&Row, &RowState)> {
        let with_key = self.rows.values().find(|(found, _)| key.is(found, ignored));
        let latest = || self.rows.values().max_by_key(|(_, state)| state.last);
        with_key.or_else(latest).map(|(key, state)| (key, state))
    }
}

/// What a change changed, and the state after it.
fn step(
    number: usize,
    change: &KeyChange,
    before: Option<&RowState>,
    after: &Row,
) -> (Vec<ColumnChange>, RowState) {
    let is_new = before.is_none() && change.operation == Operation::Create;
    let mut changed = Vec::new();
    let mut columns = Vec::new();
    for (name, value) in after.iter() {
        let known = before.and_then(|state| state.column(name));
        let origin = match (known, value) {
            // A value that WAL does not contain is the one before.
            (Some(known), Value::Unavailable) => known.clone(),
            (Some(known), value) if known.value == *value => known.clone(),
            (known, value) => {
                let image = change.before.as_ref().and_then(|row| row.get(name));
                let image = image.filter(|image| **image != Value::Unavailable);
                let old = match (known, image, before) {
                    (Some(known), _, _) => OldValue::Known(known.value.clone()),
                    (None, _, Some(_)) => OldValue::Absent,
                    (None, Some(image), None) if change.operation == Operation::Update => {
                        OldValue::Known(image.clone())
                    }
                    (None, _, None) if is_first(change.operation) => OldValue::Absent,
                    (None, _, None) => OldValue::Unknown,
                };
                let is_same = old == OldValue::Known(value.clone());
                let is_exact = match &old {
                    OldValue::Known(_) => !is_same && change.operation != Operation::Read,
                    OldValue::Absent => is_new || before.is_some(),
                    OldValue::Unknown => false,
                };
                if !is_same {
                    changed.push(ColumnChange {
                        column: name.to_owned(),
                        old,
                        new: Some(value.clone()),
                    });
                }
                ColumnOrigin {
                    value: value.clone(),
                    set_by: number,
                    is_exact,
                }
            }
        };
        columns.push((name.to_owned(), origin));
    }
    let former = before.into_iter().flat_map(|state| &state.columns);
    changed.extend(
        former
            .filter(|(name, _)| !after.has(name))
            .map(|(name, origin)| ColumnChange {
                column: name.clone(),
                old: OldValue::Known(origin.value.clone()),
                new: None,
            }),
    );
    let state = RowState {
        columns,
        last: number,
    };
    (changed, state)
}

/// Whether a change shows a row for the first time: all of its values are shown, and none as changed.
fn is_first(operation: Operation) -> bool {
    match operation {
        Operation::Create | Operation::Read | Operation::Write => true,
        Operation::Update | Operation::Delete | Operation::Truncate => false,
    }
}

impl RowState {
    /// A column of the row.
    #[must_use]
    pub fn column(&self, name: &str) -> Option<&ColumnOrigin> {
        self.columns
            .iter()
            .find(|(column, _)| column == name)
            .map(|(_, origin)| origin)
    }
}

#[cfg(test)]
mod tests;
