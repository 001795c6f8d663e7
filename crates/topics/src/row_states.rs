//! States of a row: what each change changed, the row as it is after all of them, and which change set each column.

use std::collections::BTreeMap;

use walcast_pgoutput::Lsn;

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
    /// Keys without a row: the last row was deleted, or has another key.
    ended: BTreeMap<String, Ended>,
}

/// End of the last row with a key.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Ended {
    key: Row,
    /// Index of the delete.
    by: usize,
    /// Other key of the row, as text, where the delete is half of an update of the key.
    next: Option<String>,
}

/// A row between the two halves of an update of its key.
struct Moved {
    event: Option<(Lsn, u64)>,
    /// Former key, as text.
    key: String,
    /// `None` where the row before is unknown.
    state: Option<RowState>,
}

impl RowStates {
    /// Follows changes in their order.
    #[must_use]
    pub fn of(changes: &[KeyChange]) -> Self {
        let mut states = Self::default();
        let mut moved: Option<Moved> = None;
        // Rows whose key another row takes over before they give it up: a transaction can exchange keys if the constraint is deferred.
        let mut displaced: BTreeMap<String, (Option<Lsn>, RowState)> = BTreeMap::new();
        for (number, change) in changes.iter().enumerate() {
            let key = change.key.to_string();
            let Some(after) = &change.after else {
                states.steps.push(Vec::new());
                let of_transaction = displaced.remove(&key).filter(|(lsn, _)| *lsn == change.lsn);
                let before = match of_transaction {
                    Some((_, state)) => Some(state),
                    None => states.rows.remove(&key).map(|(_, state)| state),
                };
                let ended = Ended {
                    key: change.key.clone(),
                    by: number,
                    next: None,
                };
                states.ended.insert(key.clone(), ended);
                if matches!(change.other_key, Some(OtherKey::New(_))) {
                    let event = change.event();
                    let is_known = moved.as_ref().is_some_and(|moved| moved.event == event);
                    // A tombstone in addition knows no more than the delete.
                    if before.is_some() || !is_known {
                        moved = Some(Moved {
                            event,
                            key,
                            state: before,
                        });
                    }
                }
                continue;
            };
            let known = states.rows.remove(&key).map(|(_, state)| state);
            let before = match (&change.other_key, known) {
                (Some(OtherKey::Old(_)), known) => {
                    displaced.extend(known.map(|state| (key.clone(), (change.lsn, state))));
                    let event = change.event();
                    let former = moved.take().filter(|moved| moved.event == event);
                    former.and_then(|former| {
                        if let Some(ended) = states.ended.get_mut(&former.key) {
                            ended.next = Some(key.clone());
                        }
                        former.state
                    })
                }
                // A new row: that the one before it ended is not in the topic, as after a truncate.
                (_, Some(_)) if change.operation == Operation::Create => None,
                (_, known) => known,
            };
            let (step, state) = step(number, change, before.as_ref(), after);
            states.steps.push(step);
            states.rows.insert(key, (change.key.clone(), state));
        }
        states
    }

    /// The row with this key, or, if the last row that had it has another key now, that row.
    #[must_use]
    pub fn row(&self, key: &TypedKey, ignored: Option<&str>) -> Option<(&Row, &RowState)> {
        let is_wanted = |found: &Row| key.is(found, ignored);
        if let Some((found, state)) = self.rows.values().find(|(found, _)| is_wanted(found)) {
            return Some((found, state));
        }
        let next = self.end(key, ignored)?.next.as_ref()?;
        self.rows.get(next).map(|(found, state)| (found, state))
    }

    /// Index of the delete of the row that [`RowStates::row`] does not find; `None` if there is a row.
    #[must_use]
    pub fn deleted_by(&self, key: &TypedKey, ignored: Option<&str>) -> Option<usize> {
        match self.row(key, ignored) {
            Some(_) => None,
            None => self.end(key, ignored).map(|ended| ended.by),
        }
    }

    /// End of the last row with this key, or with the last of the keys that the row had then.
    fn end(&self, key: &TypedKey, ignored: Option<&str>) -> Option<&Ended> {
        let mut ended = self.ended.values().find(|ended| key.is(&ended.key, ignored))?;
        // Keys that were exchanged lead back to themselves.
        for _ in 0..self.ended.len() {
            let next = ended.next.as_ref().filter(|next| !self.rows.contains_key(*next));
            match next.and_then(|next| self.ended.get(next)) {
                Some(later) => ended = later,
                None => break,
            }
        }
        Some(ended)
    }
}

/// What a change changed, and the state after it.
fn step(
    number: usize,
    change: &KeyChange,
    before: Option<&RowState>,
    after: &Row,
) -> (Vec<ColumnChange>, RowState) {
    // The create of an update of the key continues a row, also where the row under its former key was not found.
    let is_moved_here = matches!(change.other_key, Some(OtherKey::Old(_)));
    let is_new = before.is_none() && change.operation == Operation::Create && !is_moved_here;
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
                    (Some(known), _, _) if known.value != Value::Unavailable => {
                        OldValue::Known(known.value.clone())
                    }
                    (Some(_), Some(image), _) => OldValue::Known(image.clone()),
                    (Some(_), None, _) => OldValue::Unknown,
                    (None, _, Some(_)) => OldValue::Absent,
                    (None, Some(image), None) if change.operation == Operation::Update => {
                        OldValue::Known(image.clone())
                    }
                    (None, _, None) if is_first(change.operation) && !is_moved_here => OldValue::Absent,
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
                    // The change that set a value that is not known is not known either.
                    is_exact: is_exact && *value != Value::Unavailable,
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
