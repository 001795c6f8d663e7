//! The value of a record: two images of the row, where the change comes from, what it did and when we saw it.

use walcast_pgoutput::{Column, OldTuple, Tuple};

use crate::ChangeContext;
use crate::column::{ColumnFault, ColumnPlan, Image};
use crate::encode::{Fault, Scratch};
use crate::events::{EventOrder, put_transaction_block};
use crate::format::{Format, Nullability};
use crate::key;
use crate::source::{Source, put_optional_integer};

/// How rows of one relation are written.
#[derive(Debug)]
pub(crate) struct Envelope {
    pub(crate) columns: Vec<ColumnPlan>,
    /// The key's columns, in key order.
    pub(crate) key: Vec<KeyColumn>,
    pub(crate) source: Source,
}

/// A column of the key.
#[derive(Debug)]
pub(crate) struct KeyColumn {
    /// Its place in the relation.
    pub(crate) place: usize,
    /// How it is written in keys.
    pub(crate) column: ColumnPlan,
}

/// What happened, by Debezium's letters.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Op {
    Create,
    Update,
    Delete,
    Truncate,
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

    /// Whether every value of the row is that of `other`, to the letter.
    pub(crate) fn texts_equal(&self, other: &Row<'_>) -> bool {
        let mut before = self.tuple.columns();
        let mut after = other.tuple.columns();
        loop {
            match (before.next(), after.next()) {
                (None, None) => return true,
                (old, Some(new)) if old == Some(key::merge(new, old)) => {}
                _ => return false,
            }
        }
    }

    /// The value of the column at `place`.
    pub(crate) fn at(&self, place: usize) -> Option<Column<'a>> {
        let old = self.unchanged.as_ref().and_then(|old| key::at(old, place));
        key::at(&self.tuple, place).map(|column| key::merge(column, old))
    }
}

impl Envelope {
    /// Appends a whole value but for the registry's prefix.
    pub(crate) fn put<F: Format>(
        &self,
        op: Op,
        [before, after]: [Option<&Row<'_>>; 2],
        context: &ChangeContext,
        order: Option<EventOrder>,
        scratch: &mut Scratch,
        out: &mut Vec<u8>,
    ) -> Result<(), RowFault> {
        F::begin_record(out);
        for (name, row) in [("before", before), ("after", after)] {
            F::field(name, out);
            match row {
                None => F::absent(Nullability::NullFirst, out),
                Some(row) => {
                    F::present(Nullability::NullFirst, out);
                    self.put_row::<F>(row, scratch, out)?;
                }
            }
        }
        F::field("source", out);
        self.source.put::<F>(context.into(), scratch, out);
        F::field("transaction", out);
        let order = order.map(|order| (context.xid, context.lsn, order));
        put_transaction_block::<F>(order, scratch, out);
        F::field("op", out);
        F::string(op.letter(), out);
        put_times::<F>(context.processed_at_unix_nanos, out);
        F::end_record(out);
        Ok(())
    }

    fn put_row<F: Format>(
        &self,
        row: &Row<'_>,
        scratch: &mut Scratch,
        out: &mut Vec<u8>,
    ) -> Result<(), RowFault> {
        self.check_count(&row.tuple)?;
        let mut unchanged = match &row.unchanged {
            Some(old) => {
                self.check_count(old)?;
                Some(old.columns())
            }
            None => None,
        };
        F::begin_record(out);
        for (place, (column, value)) in self.columns.iter().zip(row.tuple.columns()).enumerate() {
            let value = match &mut unchanged {
                None => value,
                Some(old) => key::merge(value, old.next()),
            };
            F::field(column.name(), out);
            let written = column.put::<F>(value, row.image, scratch, out);
            written.map_err(|fault| RowFault::Column { place, fault })?;
        }
        F::end_record(out);
        Ok(())
    }

    /// Appends a key but for the registry's prefix.
    pub(crate) fn put_key<F: Format>(
        &self,
        row: &Row<'_>,
        scratch: &mut Scratch,
        out: &mut Vec<u8>,
    ) -> Result<(), RowFault> {
        self.check_count(&row.tuple)?;
        F::begin_record(out);
        for KeyColumn { place, column } in &self.key {
            let place = *place;
            F::field(column.name(), out);
            let written = match row.at(place) {
                // A placeholder here would give many rows the same key.
                Some(Column::UnchangedToast) => {
                    Err(ColumnFault::Value(Fault::Value("a key: it was not sent")))
                }
                Some(value) => column.put::<F>(value, Image::Whole, scratch, out),
                // Places lie inside the relation, and the tuple is as wide.
                None => Ok(()),
            };
            written.map_err(|fault| RowFault::Column { place, fault })?;
        }
        F::end_record(out);
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
    fn letter(self) -> &'static [u8] {
        match self {
            Op::Create => b"c",
            Op::Update => b"u",
            Op::Delete => b"d",
            Op::Truncate => b"t",
        }
    }
}

const NANOS_A_MILLI: i64 = 1_000_000;
const NANOS_A_MICRO: i64 = 1_000;

fn put_times<F: Format>(unix_nanos: i64, out: &mut Vec<u8>) {
    put_optional_integer::<F>("ts_ms", unix_nanos.div_euclid(NANOS_A_MILLI), out);
    put_optional_integer::<F>("ts_us", unix_nanos.div_euclid(NANOS_A_MICRO), out);
    put_optional_integer::<F>("ts_ns", unix_nanos, out);
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
    use crate::format::{Json, written};

    #[test]
    fn times_are_one_moment_three_times() {
        let json = String::from_utf8(written(|out| put_times::<Json>(1_000_001, out))).unwrap();
        assert_eq!(json, r#","ts_ms":1,"ts_us":1000,"ts_ns":1000001"#);
    }
}
