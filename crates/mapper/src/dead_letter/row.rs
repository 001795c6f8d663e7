//! A row in its wire form, as JSON.

use serde::ser::{Serialize, SerializeMap, Serializer};
use walcast_pgoutput::{Column, Relation, Tuple};

use crate::column_transform;
use crate::config::MapperConfig;
use crate::pattern::ColumnPattern;
use crate::table_name::TableName;

/// Rules by which values are kept.
pub(super) struct Kept<'c> {
    config: &'c MapperConfig,
    table: &'c TableName,
    value_bytes_max: usize,
}

impl<'c> Kept<'c> {
    pub(super) fn new(config: &'c MapperConfig, table: &'c TableName, value_bytes_max: usize) -> Self {
        Self {
            config,
            table,
            value_bytes_max,
        }
    }

    /// Whether the configuration excludes or transforms the column: its values must not reach Kafka.
    fn withholds(&self, column: &str) -> bool {
        let settings = &self.config.columns;
        let matches =
            |patterns: &[ColumnPattern]| patterns.iter().any(|pattern| pattern.matches(self.table, column));
        !column_transform::is_sent(settings, self.table, column)
            || settings.mask.iter().any(|rule| matches(&rule.columns))
            || settings.hash.iter().any(|rule| matches(&rule.columns))
            || settings.truncate.iter().any(|rule| matches(&rule.columns))
    }
}

/// Values by column, in the order of the table.
pub(super) struct Row<'l> {
    columns: Vec<(&'l str, Value<'l>)>,
}

/// One value.
enum Value<'l> {
    Null,
    /// Text as the server sent it.
    Text(&'l str),
    /// First bytes of a longer text, and the text's length.
    CutText(&'l str, usize),
    /// Bytes that are not text: the first ones, and their number.
    Bytes(&'l [u8], usize),
    /// Unchanged TOAST value, which was not sent.
    Unchanged,
    Withheld,
}

impl<'l> Row<'l> {
    /// Takes the values of a tuple; in a tuple of key columns, a null elsewhere means that the value is not there.
    pub(super) fn new(relation: &'l Relation, tuple: Tuple<'l>, key_only: bool, kept: &Kept<'_>) -> Self {
        let columns = relation.columns.iter().zip(tuple.columns());
        let columns = columns.filter(|(column, _)| column.is_key || !key_only);
        let columns = columns.map(|(column, value)| {
            let value = match kept.withholds(&column.name) {
                true => Value::Withheld,
                false => Value::of(value, kept.value_bytes_max),
            };
            (column.name.as_str(), value)
        });
        Self {
            columns: columns.collect(),
        }
    }
}

impl<'l> Value<'l> {
    fn of(value: Column<'l>, bytes_max: usize) -> Self {
        let first = |bytes: &'l [u8]| bytes.get(..bytes_max).unwrap_or(bytes);
        match value {
            Column::Null => Self::Null,
            Column::UnchangedToast => Self::Unchanged,
            // Two digits for each.
            Column::Binary(bytes) => {
                let shown = bytes.get(..bytes_max / 2).unwrap_or(bytes);
                Self::Bytes(shown, bytes.len())
            }
            Column::Text(bytes) => match std::str::from_utf8(bytes) {
                Ok(text) if text.len() <= bytes_max => Self::Text(text),
                Ok(text) => Self::CutText(beginning(text, bytes_max), text.len()),
                Err(_) => Self::Bytes(first(bytes), bytes.len()),
            },
        }
    }
}

impl Serialize for Row<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.columns.len()))?;
        for (name, value) in &self.columns {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

impl Serialize for Value<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mark = |serializer: S, mark: &str| {
            let mut map = serializer.serialize_map(Some(1))?;
            map.serialize_entry(mark, &true)?;
            map.end()
        };
        match self {
            Self::Null => serializer.serialize_none(),
            Self::Text(text) => serializer.serialize_str(text),
            Self::Unchanged => mark(serializer, "unchanged_toast"),
            Self::Withheld => mark(serializer, "withheld"),
            Self::CutText(text, bytes) => {
                let mut map = serializer.serialize_map(Some(3))?;
                map.serialize_entry("cut", &true)?;
                map.serialize_entry("bytes", bytes)?;
                map.serialize_entry("beginning", text)?;
                map.end()
            }
            Self::Bytes(shown, bytes) => {
                let mut map = serializer.serialize_map(None)?;
                if shown.len() < *bytes {
                    map.serialize_entry("cut", &true)?;
                    map.serialize_entry("bytes", bytes)?;
                }
                map.serialize_entry("hex", &Hex(shown).to_string())?;
                map.end()
            }
        }
    }
}

struct Hex<'l>(&'l [u8]);

impl std::fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// Bytes of a row's values.
pub(super) fn bytes(tuple: &Tuple<'_>) -> usize {
    let length = |value| match value {
        Column::Text(bytes) | Column::Binary(bytes) => bytes.len(),
        Column::Null | Column::UnchangedToast => 0,
    };
    tuple.columns().map(length).sum()
}

/// The longest beginning of a text within a number of bytes.
pub(super) fn beginning(text: &str, bytes_max: usize) -> &str {
    let mut end = text.len().min(bytes_max);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default()
}
