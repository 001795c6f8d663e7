//! Changes of a row, as far as they are shown.

use walcast_topics::{ColumnChange, KeyChange};

/// Change with the columns that are shown.
pub(super) struct Shown<'a> {
    pub(super) change: &'a KeyChange,
    pub(super) columns: Vec<&'a ColumnChange>,
}

impl<'a> Shown<'a> {
    /// `None` for an update that changed none of the selected columns.
    pub(super) fn of(change: &'a KeyChange, step: &'a [ColumnChange], selected: &[String]) -> Option<Self> {
        let columns: Vec<&ColumnChange> = step
            .iter()
            .filter(|column| selected.is_empty() || selected.contains(&column.column))
            .collect();
        let is_shown = selected.is_empty() || !columns.is_empty() || change.after.is_none();
        is_shown.then_some(Self { change, columns })
    }
}
