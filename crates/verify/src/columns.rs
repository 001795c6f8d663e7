//! The columns that are compared, and the digests of rows.

use std::borrow::Cow;
use std::collections::BTreeMap;

use crate::digest::Digest;
use crate::entry::{Label, RowDigest};
use crate::plain::PlainType;
use crate::value::Value;

/// Length from which on a written value can be one that Postgres stores outside of its row and does not send again. A shorter one
/// is never stored there, because the reference to it would be as long.
const OUTSIDE_MIN: usize = 16;

/// Column that is compared.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ComparedColumn {
    /// Value that a record without the column stands for: the default with which the column was added.
    pub default: Option<Value>,
    /// Value that stands for one that did not change and was not sent.
    pub placeholder: Option<Value>,
    /// Type by which values are compared with the text of Postgres; `None`: with those of the record that the source row makes.
    pub plain: Option<PlainType>,
}

impl ComparedColumn {
    /// Value of a record in the form in which it is compared.
    fn compared<'v>(&self, value: &'v Value) -> Cow<'v, Value> {
        match self.plain {
            Some(plain) => Cow::Owned(plain.of_record(value)),
            None => Cow::Borrowed(value),
        }
    }
}

/// Columns of a table that are compared, by the name of their field.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ComparedColumns {
    columns: BTreeMap<String, (Label, ComparedColumn)>,
}

impl ComparedColumns {
    /// These columns.
    pub fn new(columns: impl IntoIterator<Item = (String, ComparedColumn)>) -> Self {
        let columns = columns.into_iter().map(|(name, column)| {
            let label = label(&name);
            (name, (label, column))
        });
        Self {
            columns: columns.collect(),
        }
    }

    /// Names of the fields.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.columns.keys().map(String::as_str)
    }

    /// The compared columns of a row of the source, to be printed.
    #[must_use]
    pub fn of_printed_source(&self, row: &Value) -> Value {
        let names = self.columns.keys();
        let selected = names.filter_map(|name| Some((name.clone(), row.get(name)?.clone())));
        Value::Record(selected.collect())
    }

    /// The compared columns of the row of a record, to be printed.
    #[must_use]
    pub fn of_printed_record(&self, row: &Value) -> Value {
        let columns = self.columns.iter();
        let selected = columns.filter_map(|(name, (_, column))| {
            Some((name.clone(), column.compared(row.get(name)?).into_owned()))
        });
        Value::Record(selected.collect())
    }

    /// Names of the columns in which a row of the source and that of a record differ. A column whose value the record does not have,
    /// because it did not change, is only named if no other one differs: its value is in an earlier record.
    #[must_use]
    pub fn differing(&self, source: &Value, record: &Value) -> Vec<String> {
        let Value::Record(fields) = record else {
            return Vec::new();
        };
        let (mut differing, mut unsent) = (Vec::new(), Vec::new());
        for (name, (_, column)) in &self.columns {
            let recorded = fields.get(name).or(column.default.as_ref());
            if recorded.is_some() && recorded == column.placeholder.as_ref() {
                unsent.push(name.clone());
                continue;
            }
            let of_record = recorded.map(|value| Digest::of_column(name, &column.compared(value)));
            let of_source = source.get(name).map(|value| Digest::of_column(name, value));
            let null = Digest::of_column(name, &Value::Null);
            if of_record.unwrap_or(null) != of_source.unwrap_or(null) {
                differing.push(name.clone());
            }
        }
        match differing.is_empty() {
            true => unsent,
            false => differing,
        }
    }

    /// Digest of a row of the source.
    pub(crate) fn of_source(&self, row: &Value) -> RowDigest {
        let mut digest = RowDigest::default();
        for name in self.columns.keys() {
            if let Some(value) = row.get(name) {
                digest.columns.add(Digest::of_column(name, value));
            }
        }
        digest
    }

    /// Digest of the row of a record.
    pub(crate) fn of_record(&self, row: &Value) -> RowDigest {
        let Value::Record(fields) = row else {
            return RowDigest::default();
        };
        let mut digest = RowDigest::default();
        let mut written = Vec::new();
        for (name, (label, column)) in &self.columns {
            let Some(value) = fields.get(name).or(column.default.as_ref()) else {
                continue;
            };
            if column.placeholder.as_ref() == Some(value) {
                digest.unsent.push(*label);
                continue;
            }
            let value = column.compared(value);
            let of_column = Digest::of_column(name, &value);
            digest.columns.add(of_column);
            written.clear();
            value.write(&mut written);
            if column.placeholder.is_some() && written.len() >= OUTSIDE_MIN {
                digest.kept.push((*label, of_column));
            }
        }
        digest
    }
}

fn label(name: &str) -> Label {
    let digest = Digest::of_column(name, &Value::Bool(true)).to_bytes();
    digest.first_chunk().map_or(0, |bytes| u64::from_be_bytes(*bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(fields: &[(&str, Value)]) -> Value {
        let fields = fields
            .iter()
            .map(|(name, value)| ((*name).to_owned(), value.clone()));
        Value::Record(fields.collect())
    }

    fn text(text: &str) -> Value {
        Value::Text(text.to_owned())
    }

    fn columns() -> ComparedColumns {
        let large = ComparedColumn {
            placeholder: Some(text("unavailable")),
            ..ComparedColumn::default()
        };
        let added = ComparedColumn {
            default: Some(Value::Int(5)),
            ..ComparedColumn::default()
        };
        ComparedColumns::new([
            ("id".to_owned(), ComparedColumn::default()),
            ("large".to_owned(), large),
            ("added".to_owned(), added),
        ])
    }

    #[test]
    fn a_record_from_before_a_column_has_its_default() {
        let columns = columns();
        let before = columns.of_record(&record(&[("id", Value::Int(1))]));
        let now = columns.of_source(&record(&[("id", Value::Int(1)), ("added", Value::Int(5))]));
        assert_eq!(before.columns, now.columns);
        let null = columns.of_record(&record(&[("id", Value::Int(1)), ("added", Value::Null)]));
        assert_ne!(null.columns, now.columns);
    }

    #[test]
    fn only_columns_that_differ_are_named() {
        let columns = columns();
        let source = record(&[
            ("id", Value::Int(1)),
            ("large", text("x")),
            ("added", Value::Int(5)),
        ]);
        let differing = |fields: &[(&str, Value)]| columns.differing(&source, &record(fields));
        let same = [("id", Value::Int(1)), ("large", text("x")), ("other", text("y"))];
        assert!(differing(&same).is_empty());
        assert_eq!(
            differing(&[("id", Value::Int(2)), ("large", text("z"))]),
            ["id", "large"]
        );
        assert_eq!(
            differing(&[
                ("id", Value::Int(1)),
                ("large", text("x")),
                ("added", Value::Null)
            ]),
            ["added"]
        );
        // The value is in an earlier record.
        assert_eq!(
            differing(&[("id", Value::Int(2)), ("large", text("unavailable"))]),
            ["id"]
        );
        assert_eq!(
            differing(&[("id", Value::Int(1)), ("large", text("unavailable"))]),
            ["large"]
        );
    }

    #[test]
    fn a_value_that_is_no_number_is_equal_to_itself() {
        let columns = columns();
        let row = record(&[("id", Value::Float(f64::NAN)), ("added", Value::Int(5))]);
        assert!(columns.differing(&row, &row).is_empty());
    }

    #[test]
    fn a_column_that_is_not_compared_changes_nothing() {
        let columns = columns();
        let row = record(&[
            ("id", Value::Int(1)),
            ("secret", text("a")),
            ("added", Value::Int(1)),
        ]);
        let other = record(&[
            ("id", Value::Int(1)),
            ("secret", text("b")),
            ("added", Value::Int(1)),
        ]);
        assert_eq!(columns.of_record(&row), columns.of_record(&other));
    }

    #[test]
    fn a_placeholder_is_no_value_in_a_record_and_one_in_the_source() {
        let columns = columns();
        let row = record(&[("id", Value::Int(1)), ("large", text("unavailable"))]);
        assert_eq!(columns.of_record(&row).unsent.len(), 1);
        assert!(columns.of_source(&row).unsent.is_empty());
        let long = record(&[
            ("id", Value::Int(1)),
            ("large", text("long enough to be outside")),
        ]);
        assert_eq!(columns.of_record(&long).kept.len(), 1);
    }
}
