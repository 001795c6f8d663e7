//! A row of a change: its values before or after it.

use walcast_pgoutput::{Column, OldTuple, Tuple};

use crate::column::{ColumnError, Image};
use crate::upcast::UpcastFault;

/// A row before or after a change.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Row<'a> {
    tuple: Tuple<'a>,
    image: Image,
    /// Tuple with the values that this one leaves out because they did not change.
    unchanged: Option<Tuple<'a>>,
}

/// Reason why a row cannot be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum RowError {
    /// A column cannot be written.
    Column { place: usize, fault: ColumnError },
    /// The row does not have as many columns as the relation.
    ColumnCount { found: usize },
    /// The topic that the row names is not known to exist yet.
    UnknownTopic(Box<str>),
    /// A column of a row that is an event does not have the value that it must have.
    OutboxValue { place: usize, wanted: &'static str },
    /// The payload of a row that is an event does not fit its schema at this place.
    OutboxPayload { place: usize, path: Box<str> },
    /// A row that is an event was updated.
    OutboxUpdate,
    /// An event cannot be upcast.
    Upcast(Box<UpcastFault>),
}

impl<'a> Row<'a> {
    pub(crate) fn new(tuple: Tuple<'a>, old: Option<OldTuple<'a>>) -> Self {
        Self {
            tuple,
            image: Image::Whole,
            unchanged: old.map(|old| Row::old(old).tuple),
        }
    }

    pub(crate) fn old(old: OldTuple<'a>) -> Self {
        match old {
            OldTuple::Full(tuple) => Self {
                tuple,
                image: Image::Whole,
                unchanged: None,
            },
            OldTuple::Key(tuple) => Self {
                tuple,
                image: Image::KeyOnly,
                unchanged: None,
            },
        }
    }

    pub(crate) fn tuple(&self) -> &Tuple<'a> {
        &self.tuple
    }

    /// Columns whose values the tuple contains.
    pub(crate) fn image(&self) -> Image {
        self.image
    }

    /// Tuple with the values that did not change, if there is one.
    pub(crate) fn unchanged(&self) -> Option<&Tuple<'a>> {
        self.unchanged.as_ref()
    }

    /// Whether a null outside of the replica identity means that the value is not there.
    pub(crate) fn is_key_only(&self) -> bool {
        self.image == Image::KeyOnly
    }

    /// Whether the text of every value equals that of `other`.
    pub(crate) fn texts_equal(&self, other: &Row<'_>) -> bool {
        let mut before = self.tuple.columns();
        let mut after = other.tuple.columns();
        loop {
            match (before.next(), after.next()) {
                (None, None) => return true,
                (old, Some(new)) if old == Some(merge(new, old)) => {}
                _ => return false,
            }
        }
    }

    /// The value of the column at `place`.
    pub(crate) fn at(&self, place: usize) -> Option<Column<'a>> {
        let old = self.unchanged.as_ref().and_then(|old| at(old, place));
        at(&self.tuple, place).map(|column| merge(column, old))
    }
}

/// Value of a column after a change: from the old tuple when it is an unchanged TOAST value.
pub(crate) fn merge<'a>(new: Column<'a>, old: Option<Column<'a>>) -> Column<'a> {
    match (new, old) {
        (Column::UnchangedToast, Some(old @ (Column::Text(_) | Column::Binary(_)))) => old,
        (new, _) => new,
    }
}

/// The column at a place of a tuple.
pub(crate) fn at<'a>(tuple: &Tuple<'a>, place: usize) -> Option<Column<'a>> {
    tuple.columns().nth(place)
}
