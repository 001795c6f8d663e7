//! The value of a record: two images of the row, where the change comes from, what it did and when we saw it.

use walcast_pgoutput::{Column, OldTuple, Tuple};

use crate::ChangeContext;
use crate::avro::{FIRST_BRANCH, SECOND_BRANCH};
use crate::column::{ColumnFault, ColumnPlan, Image};
use crate::encode::{Fault, Scratch};
use crate::key;
use crate::source::{Source, put_optional_long};

/// How rows of one relation are written.
#[derive(Debug)]
pub(crate) struct Envelope {
    pub(crate) columns: Vec<ColumnPlan>,
    /// The key's columns as places in `columns`, in key order.
    pub(crate) key: Vec<usize>,
    pub(crate) source: Source,
}

/// What happened, by Debezium's letters.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Op {
    Create,
    Update,
    Delete,
}

/// A row as it was, or as it is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Row<'a> {
    tuple: Tuple<'a>,
    image: Image,
    /// Where values are found that the tuple leaves out because they did not change.
    unchanged: Option<Tuple<'a>>,
}

/// Why a row cannot be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RowFault {
    /// One of its columns cannot.
    Column { place: usize, fault: ColumnFault },
    /// It has another number of columns than the relation.
    ColumnCount { found: usize },
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

    /// The value of the column at `place`.
    pub(crate) fn at(&self, place: usize) -> Option<Column<'a>> {
        let old = self.unchanged.as_ref().and_then(|old| key::at(old, place));
        key::at(&self.tuple, place).map(|column| key::merge(column, old))
    }
}

impl Envelope {
    /// Appends a whole value but for the registry's prefix.
    pub(crate) fn put(
        &self,
        op: Op,
        before: Option<&Row<'_>>,
        after: Option<&Row<'_>>,
        context: &ChangeContext,
        scratch: &mut Scratch,
        out: &mut Vec<u8>,
    ) -> Result<(), RowFault> {
        for row in [before, after] {
            match row {
                None => out.push(FIRST_BRANCH),
                Some(row) => {
                    out.push(SECOND_BRANCH);
                    self.put_row(row, scratch, out)?;
                }
            }
        }
        self.source.put(context, out);
        // `transaction`: Debezium fills it only when told to send the transactions' boundaries.
        out.push(FIRST_BRANCH);
        out.extend_from_slice(op.as_avro());
        put_times(context.processed_at_unix_nanos, out);
        Ok(())
    }

    fn put_row(&self, row: &Row<'_>, scratch: &mut Scratch, out: &mut Vec<u8>) -> Result<(), RowFault> {
        self.check_count(&row.tuple)?;
        let mut unchanged = match &row.unchanged {
            Some(old) => {
                self.check_count(old)?;
                Some(old.columns())
            }
            None => None,
        };
        for (place, (column, value)) in self.columns.iter().zip(row.tuple.columns()).enumerate() {
            let value = match &mut unchanged {
                None => value,
                Some(old) => key::merge(value, old.next()),
            };
            let written = column.put(value, row.image, scratch, out);
            written.map_err(|fault| RowFault::Column { place, fault })?;
        }
        Ok(())
    }

    /// Appends a key but for the registry's prefix.
    pub(crate) fn put_key(
        &self,
        row: &Row<'_>,
        scratch: &mut Scratch,
        out: &mut Vec<u8>,
    ) -> Result<(), RowFault> {
        self.check_count(&row.tuple)?;
        for place in &self.key {
            let place = *place;
            let written = match (self.columns.get(place), row.at(place)) {
                // A placeholder here would give many rows the same key.
                (_, Some(Column::UnchangedToast)) => {
                    Err(ColumnFault::Value(Fault::Value("a key: it was not sent")))
                }
                (Some(column), Some(value)) => column.put(value, Image::Whole, scratch, out),
                // Places lie inside the relation, and the tuple is as wide.
                (None, _) | (_, None) => Ok(()),
            };
            written.map_err(|fault| RowFault::Column { place, fault })?;
        }
        Ok(())
    }

    fn check_count(&self, tuple: &Tuple<'_>) -> Result<(), RowFault> {
        let found = tuple.column_count();
        if found == self.columns.len() {
            Ok(())
        } else {
            Err(RowFault::ColumnCount { found })
        }
    }
}

impl Op {
    /// The letter as an Avro string.
    fn as_avro(self) -> &'static [u8] {
        match self {
            Op::Create => b"\x02c",
            Op::Update => b"\x02u",
            Op::Delete => b"\x02d",
        }
    }
}

const NANOS_A_MILLI: i64 = 1_000_000;
const NANOS_A_MICRO: i64 = 1_000;

fn put_times(unix_nanos: i64, out: &mut Vec<u8>) {
    put_optional_long(unix_nanos.div_euclid(NANOS_A_MILLI), out);
    put_optional_long(unix_nanos.div_euclid(NANOS_A_MICRO), out);
    put_optional_long(unix_nanos, out);
}

/// Appends Confluent's prefix: a zero byte and the schema's number.
///
/// See <https://docs.confluent.io/platform/current/schema-registry/fundamentals/serdes-develop/index.html#wire-format>.
pub(crate) fn put_schema_id(id: crate::SchemaId, out: &mut Vec<u8>) {
    out.push(0);
    out.extend_from_slice(&id.as_u32().to_be_bytes());
}

#[cfg(test)]
mod tests {
    use super::put_times;

    #[test]
    fn times_are_one_moment_three_times() {
        let mut out = Vec::new();
        put_times(1_000_001, &mut out);
        let mut wanted = Vec::new();
        for value in [1, 1_000, 1_000_001] {
            super::put_optional_long(value, &mut wanted);
        }
        assert_eq!(out, wanted);
    }
}
