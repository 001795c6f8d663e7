//! The value of a record: two images of the row, where the change comes from, what it did and when we saw it.

use walcast_pgoutput::{Column, OldTuple, Tuple};

use crate::column::{ColumnFault, ColumnPlan, Image};
use crate::config::Mark;
use crate::encode::{Fault, Scratch};
use crate::events::put_transaction_block;
use crate::format::{Format, Nullability};
use crate::key;
use crate::serialization::Body;
use crate::shape::Value;
use crate::source::{Source, put_optional_integer};

/// How rows of one relation are written.
#[derive(Debug)]
pub(crate) struct Envelope {
    pub(crate) columns: Vec<ColumnPlan>,
    /// The key's columns, in key order.
    pub(crate) key: Vec<KeyColumn>,
    /// Whether a former row may lack some of them, and nothing of their type is then written.
    pub(crate) key_is_filled: bool,
    /// What follows the key's columns in a key.
    pub(crate) key_mark: Option<Mark>,
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
    Read,
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

    /// Whether a null outside of the replica identity means nothing.
    pub(crate) fn is_key_only(&self) -> bool {
        self.image == Image::KeyOnly
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
    /// Appends a whole envelope.
    pub(crate) fn put<F: Format>(
        &self,
        value: &Value<'_, '_>,
        scratch: &mut Scratch,
        out: &mut Vec<u8>,
    ) -> Result<(), RowFault> {
        F::begin_record(out);
        self.put_images::<F>(value, scratch, out)?;
        F::field("source", out);
        self.source.put::<F>(value.context.origin, scratch, out);
        F::field("transaction", out);
        put_transaction_block::<F>(value.place_in_transaction(), scratch, out);
        F::field("op", out);
        F::string(value.op.letter(), out);
        put_times::<F>(value.context.processed_at_unix_nanos, out);
        F::end_record(out);
        Ok(())
    }

    /// Appends the fields `before` and `after`.
    pub(crate) fn put_images<F: Format>(
        &self,
        value: &Value<'_, '_>,
        scratch: &mut Scratch,
        out: &mut Vec<u8>,
    ) -> Result<(), RowFault> {
        for (name, row) in [("before", value.before), ("after", value.after)] {
            F::field(name, out);
            match row {
                None => F::absent(Nullability::NullFirst, out),
                Some(row) => {
                    F::present(Nullability::NullFirst, out);
                    F::begin_record(out);
                    self.put_columns::<F>(row, scratch, out)?;
                    F::end_record(out);
                }
            }
        }
        Ok(())
    }

    /// Appends a row's columns as fields.
    pub(crate) fn put_columns<F: Format>(
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
        for (place, (column, value)) in self.columns.iter().zip(row.tuple.columns()).enumerate() {
            let value = match &mut unchanged {
                None => value,
                Some(old) => key::merge(value, old.next()),
            };
            if !column.is_sent() {
                continue;
            }
            F::field(column.field_name(), out);
            let written = column.put::<F>(value, row.image, scratch, out);
            written.map_err(|fault| RowFault::Column { place, fault })?;
        }
        Ok(())
    }

    /// Appends a key.
    pub(crate) fn put_key<F: Format>(
        &self,
        row: &Row<'_>,
        scratch: &mut Scratch,
        out: &mut Vec<u8>,
    ) -> Result<(), RowFault> {
        self.check_count(&row.tuple)?;
        let image = if self.key_is_filled {
            row.image
        } else {
            Image::Whole
        };
        F::begin_record(out);
        for KeyColumn { place, column } in &self.key {
            let place = *place;
            F::field(column.field_name(), out);
            let written = match row.at(place) {
                // A placeholder here would give many rows the same key.
                Some(Column::UnchangedToast) => {
                    Err(ColumnFault::Value(Fault::Value("a key: it was not sent")))
                }
                Some(value) => column.put::<F>(value, image, scratch, out),
                // Places lie inside the relation, and the tuple is as wide.
                None => Ok(()),
            };
            written.map_err(|fault| RowFault::Column { place, fault })?;
        }
        if let Some(mark) = &self.key_mark {
            F::field(&mark.field, out);
            F::string(mark.identifier.as_bytes(), out);
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
    pub(crate) fn letter(self) -> &'static [u8] {
        match self {
            Op::Create => b"c",
            Op::Update => b"u",
            Op::Delete => b"d",
            Op::Truncate => b"t",
            Op::Read => b"r",
        }
    }
}

const NANOS_A_MILLI: i64 = 1_000_000;
const NANOS_A_MICRO: i64 = 1_000;

pub(crate) fn nanos_to_millis(nanos: i64) -> i64 {
    nanos.div_euclid(NANOS_A_MILLI)
}

pub(crate) fn nanos_to_micros(nanos: i64) -> i64 {
    nanos.div_euclid(NANOS_A_MICRO)
}

fn put_times<F: Format>(unix_nanos: i64, out: &mut Vec<u8>) {
    put_optional_integer::<F>("ts_ms", nanos_to_millis(unix_nanos), out);
    put_optional_integer::<F>("ts_us", nanos_to_micros(unix_nanos), out);
    put_optional_integer::<F>("ts_ns", unix_nanos, out);
}

/// A row's key, to be written in the format of its topic.
pub(crate) struct Key<'r, 'a> {
    pub(crate) envelope: &'r Envelope,
    pub(crate) row: &'r Row<'a>,
}

impl Body for Key<'_, '_> {
    #[inline]
    fn put<F: Format>(&self, scratch: &mut Scratch, out: &mut Vec<u8>) -> Result<(), RowFault> {
        self.envelope.put_key::<F>(self.row, scratch, out)
    }
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
