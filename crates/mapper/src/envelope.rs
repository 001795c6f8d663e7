//! Debezium's envelope: the row before and after the change, the source, the operation and the time of processing.

use walcast_pgoutput::{Column, Tuple};

use crate::column::{ColumnError, ColumnPlan, Image};
use crate::config::TopicKeyField;
use crate::encode::{Scratch, ValueError};
use crate::format::{Format, Nullability};
use crate::key::KeyColumn;
use crate::row::{self, Row, RowError};
use crate::row_event::RowEvent;
use crate::serialization::Body;
use crate::source::{Source, put_optional_integer};
use crate::transaction_block::put_transaction_block;

/// Encoding plan of the rows of one relation.
#[derive(Debug)]
pub(crate) struct Envelope {
    pub(crate) columns: Vec<ColumnPlan>,
    /// The key's columns, in key order.
    pub(crate) key: Vec<KeyColumn>,
    /// Whether an old row may not contain some key columns, which are then filled with the zero value of their type.
    pub(crate) key_is_filled: bool,
    /// Field after the key's columns that identifies the table in a shared topic.
    pub(crate) topic_key_field: Option<TopicKeyField>,
    pub(crate) source: Source,
}

impl Envelope {
    /// Appends a whole envelope.
    pub(crate) fn put<F: Format>(
        &self,
        event: &RowEvent<'_, '_>,
        scratch: &mut Scratch,
        out: &mut Vec<u8>,
    ) -> Result<(), RowError> {
        F::begin_record(out);
        self.put_images::<F>(event, scratch, out)?;
        F::field("source", out);
        self.source.put::<F>(event.context.origin, scratch, out);
        F::field("transaction", out);
        put_transaction_block::<F>(event.transaction(), scratch, out);
        F::field("op", out);
        F::string(event.op.letter(), out);
        put_times::<F>(event.context.processed_at_unix_nanos, out);
        F::end_record(out);
        Ok(())
    }

    /// Appends the fields `before` and `after`.
    pub(crate) fn put_images<F: Format>(
        &self,
        event: &RowEvent<'_, '_>,
        scratch: &mut Scratch,
        out: &mut Vec<u8>,
    ) -> Result<(), RowError> {
        for (name, row) in [("before", event.before), ("after", event.after)] {
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
    ) -> Result<(), RowError> {
        self.check_count(row.tuple())?;
        let mut unchanged = match row.unchanged() {
            Some(old) => {
                self.check_count(old)?;
                Some(old.columns())
            }
            None => None,
        };
        for (place, (column, value)) in self.columns.iter().zip(row.tuple().columns()).enumerate() {
            let value = match &mut unchanged {
                None => value,
                Some(old) => row::merge(value, old.next()),
            };
            if !column.is_sent() {
                continue;
            }
            F::field(column.field_name(), out);
            let written = column.put::<F>(value, row.image(), scratch, out);
            written.map_err(|fault| RowError::Column { place, fault })?;
        }
        Ok(())
    }

    /// Appends a key.
    pub(crate) fn put_key<F: Format>(
        &self,
        row: &Row<'_>,
        scratch: &mut Scratch,
        out: &mut Vec<u8>,
    ) -> Result<(), RowError> {
        self.check_count(row.tuple())?;
        let image = if self.key_is_filled {
            row.image()
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
                    Err(ColumnError::Value(ValueError::Value("a key: it was not sent")))
                }
                Some(value) => column.put::<F>(value, image, scratch, out),
                // Places lie within the relation, and the tuple has as many columns.
                None => Ok(()),
            };
            written.map_err(|fault| RowError::Column { place, fault })?;
        }
        if let Some(further) = &self.topic_key_field {
            F::field(&further.field, out);
            F::string(further.identifier.as_bytes(), out);
        }
        F::end_record(out);
        Ok(())
    }

    fn check_count(&self, tuple: &Tuple<'_>) -> Result<(), RowError> {
        let found = tuple.column_count();
        if found == self.columns.len() {
            Ok(())
        } else {
            Err(RowError::ColumnCount { found })
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

/// Key of a row, to be written in the format of its topic.
pub(crate) struct Key<'r, 'a> {
    pub(crate) envelope: &'r Envelope,
    pub(crate) row: &'r Row<'a>,
}

impl Body for Key<'_, '_> {
    #[inline]
    fn put<F: Format>(&self, scratch: &mut Scratch, out: &mut Vec<u8>) -> Result<(), RowError> {
        self.envelope.put_key::<F>(self.row, scratch, out)
    }
}

#[cfg(test)]
mod tests {
    use super::put_times;
    use crate::format::{Json, written};

    #[test]
    fn times_are_written_in_three_units() {
        let json = String::from_utf8(written(|out| put_times::<Json>(1_000_001, out))).unwrap();
        assert_eq!(json, r#","ts_ms":1,"ts_us":1000,"ts_ns":1000001"#);
    }
}
