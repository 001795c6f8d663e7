//! Reselect: unchanged TOAST values of an updated row, which the WAL does not contain, are read from the table.

use walcast_pgoutput::{Column, Tuple, encode};

use crate::change::RowChange;
use crate::envelope::Envelope;
use crate::row::Row;
use crate::table_name::TableName;

/// Request for the unchanged TOAST values of an updated row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReselectRequest<'a> {
    /// Table of the row.
    pub table: &'a TableName,
    /// Columns to read.
    pub columns: Vec<&'a str>,
    /// Columns that identify the row, with the text of their values.
    pub key: Vec<(&'a str, &'a str)>,
    places: Vec<usize>,
}

impl<'a> ReselectRequest<'a> {
    /// Creates the request of an update; `None` when the old row contains the values, when they are not sent, or when
    /// the row has no key.
    pub(crate) fn of(
        table: &'a TableName,
        envelope: &'a Envelope,
        row_key: &[usize],
        change: &RowChange<'a>,
    ) -> Option<Self> {
        let RowChange::Update { old, new } = *change else {
            return None;
        };
        if row_key.is_empty() || !new.columns().any(|value| value == Column::UnchangedToast) {
            return None;
        }
        let row = Row::new(new, old);
        let columns = envelope.columns.iter().enumerate();
        let missing = columns
            .filter(|(place, column)| column.is_sent() && row.at(*place) == Some(Column::UnchangedToast));
        let (places, columns): (Vec<_>, Vec<_>) =
            missing.map(|(place, column)| (place, column.name())).unzip();
        let key = row_key.iter().map(|place| match row.at(*place) {
            Some(Column::Text(text)) => {
                let name = envelope.columns.get(*place)?.name();
                Some((name, std::str::from_utf8(text).ok()?))
            }
            _ => None,
        });
        (!places.is_empty()).then_some(Self {
            table,
            columns,
            key: key.collect::<Option<_>>()?,
            places,
        })
    }

    /// Bytes of the updated row with `values` for its missing columns, in the order of [`ReselectRequest::columns`].
    #[must_use]
    pub fn complete(&self, new: &Tuple<'_>, values: &[Option<String>]) -> Vec<u8> {
        let columns: Vec<Column<'_>> = new
            .columns()
            .enumerate()
            .map(|(place, sent)| {
                let found = self.places.iter().position(|missing| *missing == place);
                match found.and_then(|index| values.get(index)) {
                    None => sent,
                    Some(None) => Column::Null,
                    Some(Some(text)) => Column::Text(text.as_bytes()),
                }
            })
            .collect();
        encode::tuple(&columns)
    }
}
