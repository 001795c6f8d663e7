//! What a reader knows about the format of records that they do not say themselves.

use crate::value::Row;

/// Format of the records of a connector, as far as its records do not say it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Text that takes the place of an unchanged TOAST value.
    pub placeholder: String,
    /// Whether values are flat rows: also records without the header `walcast.id` are then read as rows.
    pub is_flat: bool,
    /// Fields that are added to flat rows.
    pub flat_fields: Vec<FlatField>,
    /// Field that identifies the table that is read in the keys of a topic that several tables share, and its value; `None` if the keys of
    /// the table have no such field, or if no certain table is read.
    pub table_key: Option<(String, String)>,
}

impl Settings {
    /// Name of the field that identifies the table: it is no column of the key.
    #[must_use]
    pub fn table_key_field(&self) -> Option<&str> {
        self.table_key.as_ref().map(|(field, _)| field.as_str())
    }

    /// Whether a key says that its row is of another table than the one that is read.
    pub(crate) fn is_of_other_table(&self, key: &Row) -> bool {
        self.table_key.as_ref().is_some_and(|(field, table)| {
            key.get(field)
                .is_some_and(|found| found.as_text() != Some(table.as_str()))
        })
    }
}

/// Field that is added to flat rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FlatField {
    /// Name of the field, such as `__op`.
    pub name: String,
    /// Part of the envelope, such as `op`, `lsn` or `source.ts_ms`.
    pub part: String,
}

/// Debezium's placeholder.
const PLACEHOLDER: &str = "__debezium_unavailable_value";

impl Default for Settings {
    fn default() -> Self {
        Self {
            placeholder: PLACEHOLDER.to_owned(),
            is_flat: false,
            flat_fields: Vec::new(),
            table_key: None,
        }
    }
}
