//! Values that the log leaves out of an updated row, because they are stored out of line and did not change.

use walcast_pgoutput::{Column, Tuple, encode};

use crate::envelope::{Envelope, Row};
use crate::{RowChange, TableName};

/// What has to be asked for to know an updated row whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unsent<'a> {
    /// The table.
    pub table: &'a TableName,
    /// The columns that were not sent.
    pub columns: Vec<&'a str>,
    /// The columns that identify the row, and the text of their values.
    pub key: Vec<(&'a str, &'a str)>,
    places: Vec<usize>,
}

impl<'a> Unsent<'a> {
    /// What is missing of the row that an update leaves: nothing that the former row tells, that values do not have, or
    /// that cannot be asked for because the row has no key.
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

    /// The bytes of the updated row with the missing values put in, in the order of [`Unsent::columns`].
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
