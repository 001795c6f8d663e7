//! What a pattern that matches nothing may have been meant to match.

use std::fmt;

use walcast_mapper::TableName;
use walcast_postgres::{ExistingTable, ExistingType};

use crate::config::nearest;

/// Number of columns that are listed where none is similar.
const COLUMNS_LISTED_MAX: usize = 20;

/// Suggestion for a pattern that matches nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Hint {
    /// A pattern or a name.
    Name(String),
    /// A column, of whatever table.
    Column(String),
    /// The columns of the table.
    Columns(Vec<String>),
}

impl Hint {
    /// The column of a table that is similar to `column`, or all of its columns.
    pub(super) fn of_columns(table: &ExistingTable, column: &str) -> Self {
        let names = || table.columns.iter().map(|column| column.name.as_str());
        match nearest(column, names()) {
            Some(near) => Hint::Name(table.name.column_pattern(near)),
            None => Hint::Columns(names().map(str::to_owned).collect()),
        }
    }

    /// The column of any table that is similar to `column`.
    pub(super) fn column<'a>(column: &str, names: impl Iterator<Item = &'a str>) -> Option<Self> {
        nearest(column, names).map(|near| Hint::Column(near.to_owned()))
    }

    /// The type that is similar to `entry`.
    pub(super) fn type_of(entry: &str, types: &[ExistingType]) -> Option<Self> {
        let (schema, name) = entry
            .rsplit_once('.')
            .map_or((None, entry), |(schema, name)| (Some(schema), name));
        let among = types
            .iter()
            .filter(|one| schema.is_none_or(|schema| one.namespace == schema));
        let near = nearest(name, among.map(|one| one.name.as_str()))?;
        Some(Hint::Name(schema.map_or_else(
            || near.to_owned(),
            |schema| format!("{schema}.{near}"),
        )))
    }
}

impl fmt::Display for Hint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Hint::Name(name) => write!(f, "did you mean {name:?}?"),
            Hint::Column(name) => write!(f, "did you mean column {name:?}?"),
            Hint::Columns(names) => {
                let listed: Vec<&str> = names
                    .iter()
                    .take(COLUMNS_LISTED_MAX)
                    .map(String::as_str)
                    .collect();
                let more = if names.len() > listed.len() { ", …" } else { "" };
                write!(f, "its columns are {}{more}", listed.join(", "))
            }
        }
    }
}

/// The table of the same schema whose name is similar to that of `wanted`, else the table of another schema with the same name.
pub(super) fn nearest_table<'a>(
    wanted: &TableName,
    tables: impl Iterator<Item = &'a TableName> + Clone,
) -> Option<&'a TableName> {
    let of_schema = tables.clone().filter(|table| table.namespace == wanted.namespace);
    let near = nearest(&wanted.name, of_schema.clone().map(|table| table.name.as_str()));
    near.and_then(|near| of_schema.clone().find(|table| table.name == near))
        .or_else(|| tables.clone().find(|table| table.name == wanted.name))
}
